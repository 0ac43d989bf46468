#include "fuzz/pipeline_seeds.h"

namespace shardmill::fuzz {
namespace {

constexpr std::string_view kSeeds[] = {
    "",
    "agg:count",
    "prefix:a:|glob:a*[b-c]|re:^a|sample:0.9|agg:count",
    "prefix:'a|b'|re:'x\\\\.|y'|re:(a|b)[|]\\||agg:count",
    "where:$.a>1|by:key|agg:count,sum($.b)|order:-sum|limit:3",
    "where:!($.a=1||exists($.b.c[0]))&in($.a,1,2,'x',true)|agg:count",
    "where:value~'[0-9]+;'&$['b']['c'][1]>=2&$.a!=-1.5e3|by:size,ttl|agg:count",
    "re:a|sample:0.9|where:in($.a,1,2)|by:time(now,5m)|agg:p50($.a)|having:p50>0|order:-key,p50",
    "by:lower(part(key,:,1)),bucket((size+ttl)*2,7)|agg:heavy(2,$.b.c[0]),topk(2,$.a),"
    "histogram($.a,3),first(key,$.a),distinct(key),hll(key),stddev($.a)",
    "by:time($.t,1month),key(:,2)|agg:min($.a),max($.b.c[0]),count($.a)",
    "where:unix($.t)>=unix('2024-05-01')&len(text(;,2))<9|agg:first($.a,key),last(size,key)",
    "agg:var($.a),avg($.a/2-size*3),quantile($.a,0.25),p999($.a),max(keysize),sum(flags),max(cas)",
    "by:text(;,3),value,idle,fetched|agg:count|order:-count,key|limit:10",
    "agg:count,sum(size)|having:(count>9||sum/count<5)&!exists(key)",
    "where:size>1h&now-unix(key)!=0|by:time(value,1w)|agg:count",
    "wordcount|having:count>1|order:-count",
    "wordcount:$.b.c[0]",
    "topk:2,$.a|limit:1",
    "prefixes:':',2|order:-bytes",
    "sizes:4",
    "ttls:60,3600|order:count",
    "idle",
    "hot:5",
    "grep:'[xg]et (GET|b)|words?',3",
    "grep:'never \\\\d+ words'",
    "export|order:-size",
    "where:size=0|delete",
    "touch:60",
    "copy:'new:',10",
};

}  // namespace

std::span<const std::string_view> pipeline_seeds() noexcept { return kSeeds; }

}  // namespace shardmill::fuzz

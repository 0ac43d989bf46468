#include "fuzz/meta_parser_seeds.h"

namespace shardmill::fuzz {
namespace {

constexpr std::string_view kSeeds[] = {
    "mn\r\n",
    "mn a b\r\n",
    "mg k b k c f h l s t v O1 q u\r\n",
    "mg YWI= b k v\r\n",
    "mg k C18446744073709551615 N30 R60 T90 E5 v\r\n",
    "mg k T-1 N-1 R2147483647\r\n",
    "mg k s s\r\n",
    "mg k O0123456789012345678901234567890\r\n",
    "mg k O01234567890123456789012345678901\r\n",
    "mg a b c d e f g h i j k l m n o p q r s t u\r\n",
    "mg k Pproxy Lpath\r\n",
    "mg k !\r\n",
    "ms k 3 c s k O5 F1 T2 MA N9 I\r\nabc\r\n",
    "ms YWI= 1 b q C5 E6 F4294967295\r\nx\r\n",
    "ms k 2 ME\r\nab\r\n",
    "ms k 2 MP\r\nabc\r\n",
    "ms k 1 MR\r\nx\r\nms k 1 MS\r\ny\r\n",
    "ms k 2 M\r\nab\r\n",
    "ms k S2\r\nab\r\n",
    "ms k 100 Fx\r\nshort",
    "ms ===== 3 b\r\nabc\r\nmn\r\n",
    "md k b C1 E2 I k O3 q T5 x\r\n",
    "md YWI= b q\r\n",
    "ma k b C1 E2 N60 J7 D5 T30 M- O1 q t c v k\r\n",
    "ma k MI D18446744073709551615\r\n",
    "ma k MD J18446744073709551616\r\n",
    "me k\r\n",
    "me YWI= b\r\n",
    "me YWI= b v\r\n",
    "mg k v\r\nms k 1\r\nx\r\nmd k q\r\nma k\r\nmn\r\n",
};

}  // namespace

std::span<const std::string_view> meta_parser_seeds() noexcept { return kSeeds; }

}  // namespace shardmill::fuzz

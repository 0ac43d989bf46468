# The round of Perl's clients: round.pl <module> <host:port>; "ok" at its end.
use strict; use warnings;

my ($module, $server) = @ARGV;
eval "require $module" or die $@;
my $fast = $module eq 'Cache::Memcached::Fast';
my $client = $module->new({servers => [$server], compress_threshold => 10_000, utf8 => 1});
sub check { my ($ok, $what) = @_; die "failed: $what\n" unless $ok; }

check($client->set("p:text", "hello"), "set");
check($client->get("p:text") eq "hello", "get");
check(!defined $client->get("p:none"), "miss");
check($client->set("p:list", [1, 2, {three => 3}]), "set of a structure");
check($client->get("p:list")->[2]{three} == 3, "get of a structure");
check($client->set("p:long", "abc" x 100_000), "set of a compressed value");
check($client->get("p:long") eq "abc" x 100_000, "get of a compressed value");
check(!$client->add("p:text", "x"), "add of what exists");
check($client->add("p:new", "x"), "add of what does not");
check($client->replace("p:text", "there"), "replace");
check(!$client->replace("p:none", "there"), "replace of what does not exist");
check($client->append("p:text", "!"), "append");
check($client->prepend("p:text", "\x{21}"), "prepend");
check($client->get("p:text") eq "!there!", "get after append and prepend");
check($client->set("p:n", 10), "set of a number");
check($client->incr("p:n", 5) == 15, "incr");
check($client->decr("p:n", 20) == 0, "decr");
check(!$client->incr("p:none", 1), "incr of what does not exist");
$client->set("p:k$_", "v$_") for 1 .. 100;
my $many = $client->get_multi(map { "p:k$_" } 1 .. 110);
check(keys %$many == 100, "get_multi finds what is there");
check($many->{"p:k$_"} eq "v$_", "get_multi $_") for 1 .. 100;
check($client->set("p:gone", "x", -1) && !defined $client->get("p:gone"), "a value whose time is up");
check($client->delete("p:text"), "delete");
check(!defined $client->get("p:text"), "get after delete");
if ($fast) {
    my $found = $client->gets("p:k1");
    check($found->[1] eq "v1", "gets");
    check($client->cas("p:k1", $found->[0], "w1"), "cas of the version that was read");
    check(!$client->cas("p:k1", $found->[0], "u1"), "cas of an old version");
    check($client->touch("p:k1", 100), "touch");
    check(!$client->touch("p:none", 100), "touch of what does not exist");
    my $both = $client->gats(100, "p:k2");
    check($client->gat(100, "p:k2") eq "v2" && $both->[1] eq "v2", "gat and gats");
    my $set = $client->set_multi(map { ["p:m$_", "x" x $_] } 1 .. 100);
    check(100 == grep({ $set->{"p:m$_"} } 1 .. 100), "set_multi");
    $client->noreply_multi if $client->can("noreply_multi");
    $client->incr("p:n", 3);
    $client->nowait_push;
    check($client->get("p:n") == 3, "incr without waiting");
    check($client->server_versions->{$server}, "version");
} else {
    my $stats = $client->stats("misc");
    check($stats->{hosts}{$server}{misc}{curr_items} > 0, "stats");
}
check($client->flush_all, "flush_all");
check(!defined $client->get("p:k1"), "get after flush_all");
print "ok\n";

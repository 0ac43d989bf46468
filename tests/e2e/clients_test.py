"""Clients other people wrote, as Debian packages them, against the real server."""

import random
import shutil
import unittest

import harness

PERL = r"""
use strict; use warnings; use Cache::Memcached;
my $client = Cache::Memcached->new({servers => [$ARGV[0]], compress_threshold => 10_000});
sub check { my ($ok, $what) = @_; die "failed: $what\n" unless $ok; }
check($client->set("p:text", "hello"), "set");
check($client->get("p:text") eq "hello", "get");
check(!defined $client->get("p:none"), "miss");
check($client->set("p:list", [1, 2, {three => 3}]), "set of a structure");
check($client->get("p:list")->[2]{three} == 3, "get of a structure");
check($client->set("p:long", "abc" x 100_000), "set of a compressed value");
check($client->get("p:long") eq "abc" x 100_000, "get of a compressed value");
check(!$client->add("p:text", "x"), "add of what exists");
check($client->replace("p:text", "there"), "replace");
check($client->append("p:text", "!"), "append");
check($client->get("p:text") eq "there!", "get after append");
check($client->set("p:n", 10), "set of a number");
check($client->incr("p:n", 5) == 15, "incr");
check($client->decr("p:n", 20) == 0, "decr");
$client->set("p:k$_", "v$_") for 1 .. 100;
my $many = $client->get_multi(map { "p:k$_" } 1 .. 110);
check(keys %$many == 100, "get_multi finds what is there");
check($many->{"p:k$_"} eq "v$_", "get_multi $_") for 1 .. 100;
check($client->delete("p:text"), "delete");
check(!defined $client->get("p:text"), "get after delete");
my $stats = $client->stats("misc");
check($stats->{hosts}{$ARGV[0]}{misc}{curr_items} > 0, "stats");
check($client->flush_all, "flush_all");
check(!defined $client->get("p:k1"), "get after flush_all");
print "ok\n";
"""

PHP = r"""
$client = new Memcached();
$client->setOption(Memcached::OPT_BINARY_PROTOCOL, false);
$client->addServer($argv[1], (int)$argv[2]);
function check($ok, $what) {
    global $client;
    if (!$ok) { fwrite(STDERR, "failed: $what: " . $client->getResultMessage() . "\n"); exit(1); }
}
check($client->set('h:text', 'hello'), 'set');
check($client->get('h:text') === 'hello', 'get');
check($client->get('h:none') === false && $client->getResultCode() === Memcached::RES_NOTFOUND, 'miss');
check($client->set('h:array', ['a' => 1, 'b' => [true, null, 2.5]]), 'set of an array');
check($client->get('h:array') === ['a' => 1, 'b' => [true, null, 2.5]], 'get of an array');
check($client->set('h:long', str_repeat('abc', 100000)), 'set of a compressed value');
check($client->get('h:long') === str_repeat('abc', 100000), 'get of a compressed value');
check(!$client->add('h:text', 'x') && $client->getResultCode() === Memcached::RES_NOTSTORED, 'add of what exists');
check($client->replace('h:text', 'there'), 'replace');
$client->setOption(Memcached::OPT_COMPRESSION, false);
check($client->set('h:plain', 'mid'), 'set without compression');
check($client->append('h:plain', '>') && $client->prepend('h:plain', '<'), 'append and prepend');
check($client->get('h:plain') === '<mid>', 'get after append and prepend');
$found = $client->get('h:text', null, Memcached::GET_EXTENDED);
check($client->cas($found['cas'], 'h:text', 'first'), 'cas of the version that was read');
check(!$client->cas($found['cas'], 'h:text', 'second') && $client->getResultCode() === Memcached::RES_DATA_EXISTS,
      'cas of an old version');
check($client->set('h:n', 10) && $client->increment('h:n', 5) === 15 && $client->decrement('h:n', 20) === 0, 'numbers');
$items = [];
for ($i = 0; $i < 200; $i++) $items["h:k$i"] = "value $i";
check($client->setMulti($items), 'setMulti');
check($client->getMulti(array_keys($items)) == $items, 'getMulti');
check($client->touch('h:text', 100), 'touch');
check($client->set('h:gone', 'x', -1) && $client->get('h:gone') === false, 'a value whose time is up');
check($client->delete('h:text') && $client->get('h:text') === false, 'delete');
check(count($client->getStats()) === 1, 'stats');
check($client->getVersion() !== false, 'version');
check($client->flush() && $client->get('h:k1') === false, 'flush');
echo "ok\n";
"""


class OtherClientsTest(harness.ServerCase):
    SETTINGS = {"memory": 128}

    def tool(self, name):
        path = shutil.which(name)
        self.assertIsNotNone(path, f"{name} is not installed; see the list of packages in README.md")
        return path

    def test_memccapable_passes_its_text_checks(self):
        done = harness.run(self.tool("memccapable"), "-h", "127.0.0.1", "-p", str(self.server.port), "-a", "-t", "30")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("All tests passed", done.stdout + done.stderr)
        self.assertNotIn("FAIL", done.stdout + done.stderr)
        self.assertGreater((done.stdout + done.stderr).count("[pass]"), 20)

    def test_perl_cache_memcached(self):
        done = harness.run(self.tool("perl"), "-e", PERL, self.server.name)
        self.assertEqual((done.returncode, done.stdout), (0, "ok\n"), done.stderr)

    def test_php_memcached(self):
        done = harness.run(self.tool("php"), "-r", PHP, "--", "127.0.0.1", str(self.server.port))
        self.assertEqual((done.returncode, done.stdout), (0, "ok\n"), done.stderr)


class PymemcacheTest(harness.ServerCase):
    SETTINGS = {"memory": 128}

    def setUp(self):
        from pymemcache.client.base import Client
        self.client = Client(("127.0.0.1", self.server.port), timeout=30, default_noreply=False)
        self.addCleanup(self.client.close)

    def test_storing_and_reading(self):
        client = self.client
        self.assertTrue(client.set("a", b"1"))
        self.assertEqual(client.get("a"), b"1")
        self.assertIsNone(client.get("none"))
        self.assertFalse(client.add("a", b"2"))
        self.assertTrue(client.add("b", b"2"))
        self.assertTrue(client.replace("b", b"3"))
        self.assertTrue(client.append("b", b">"))
        self.assertTrue(client.prepend("b", b"<"))
        self.assertEqual(client.get("b"), b"<3>")
        self.assertTrue(client.delete("b"))
        self.assertFalse(client.delete("b"))
        self.assertTrue(client.touch("a", 100))

    def test_many_keys_at_once(self):
        values = {f"many:{i}": b"%d" % i * (i % 50) for i in range(1000)}
        self.assertEqual(self.client.set_many(values), [])
        self.assertEqual(self.client.get_many([*values, "missing"]), values)
        self.assertTrue(self.client.delete_many(list(values)))
        self.assertEqual(self.client.get_many(list(values)), {})

    def test_cas_and_numbers(self):
        client = self.client
        client.set("c", b"1")
        value, unique = client.gets("c")
        self.assertEqual(value, b"1")
        self.assertTrue(client.cas("c", b"2", unique))
        self.assertFalse(client.cas("c", b"3", unique))
        self.assertIsNone(client.cas("none", b"3", unique))
        client.set("n", b"41")
        self.assertEqual(client.incr("n", 1), 42)
        self.assertEqual(client.decr("n", 50), 0)
        self.assertIsNone(client.incr("none", 1))

    def test_noreply_storing_is_seen_by_the_next_read(self):
        for i in range(1000):
            self.client.set("quiet", b"%d" % i, noreply=True)
        self.assertEqual(self.client.get("quiet"), b"999")

    def test_binary_and_large_values(self):
        data = random.Random(1).randbytes(1_000_000)
        self.assertTrue(self.client.set("data", data))
        self.assertEqual(self.client.get("data"), data)

    def test_administration(self):
        self.assertTrue(self.client.version())
        self.assertIn(b"curr_items", self.client.stats())
        self.client.set("f", b"1")
        self.assertTrue(self.client.flush_all())
        self.assertIsNone(self.client.get("f"))

    def test_errors_are_told_as_errors(self):
        from pymemcache.exceptions import MemcacheClientError, MemcacheServerError
        self.client.set("text", b"abc")
        with self.assertRaises(MemcacheClientError):
            self.client.incr("text", 1)
        with self.assertRaises(MemcacheServerError):
            self.client.set("large", b"x" * (2 << 20))


if __name__ == "__main__":
    unittest.main()

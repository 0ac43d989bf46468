"""Python's clients, as Debian packages them, against the real server with one reactor and with four."""

import contextlib
import random
import time
import unittest

import harness
import sasl_test
import tls_test

LARGE = random.Random(1).randbytes(1_000_000)


class PymemcacheRound:
    SETTINGS = {"memory": 128}

    def setUp(self):
        from pymemcache.client.base import Client
        self.client = Client(("127.0.0.1", self.server.port), timeout=30, default_noreply=False, **self.security())
        self.addCleanup(self.client.close)

    def test_storing_and_reading(self):
        client = self.client
        self.assertTrue(client.set("a", b"1"))
        self.assertEqual(client.get("a"), b"1")
        self.assertIsNone(client.get("none"))
        self.assertFalse(client.add("a", b"2"))
        self.assertTrue(client.add("b", b"2"))
        self.assertTrue(client.replace("b", b"3"))
        self.assertFalse(client.replace("none", b"3"))
        self.assertTrue(client.append("b", b">") and client.prepend("b", b"<"))
        self.assertEqual(client.get("b"), b"<3>")
        self.assertTrue(client.delete("b"))
        self.assertFalse(client.delete("b"))
        self.assertTrue(client.touch("a", 100))
        self.assertFalse(client.touch("b", 100))
        self.assertTrue(client.set("past", b"1", expire=int(time.time()) - 10))
        self.assertIsNone(client.get("past"))

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
        self.assertTrue(self.client.set("data", LARGE))
        self.assertEqual(self.client.get("data"), LARGE)

    def test_administration(self):
        self.assertTrue(self.client.version())
        self.assertIn(b"curr_items", self.client.stats())
        self.assertIn(b"maxbytes", self.client.stats("settings"))
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


def store_and_read(test, client):
    """What pylibmc and python-binary-memcached write alike; `new` is left with the value 3."""
    test.assertTrue(client.set("a", "1"))
    test.assertEqual(client.get("a"), "1")
    test.assertIsNone(client.get("none"))
    test.assertTrue(client.set("list", [1, {"two": 3.5}]))
    test.assertEqual(client.get("list"), [1, {"two": 3.5}])
    test.assertFalse(client.add("a", "2"))
    test.assertTrue(client.add("new", "2"))
    test.assertTrue(client.replace("new", "3"))
    test.assertTrue(client.set("past", "1", time=int(time.time()) - 10))
    test.assertIsNone(client.get("past"))


class PylibmcRound:
    """pylibmc, in the protocol that BINARY says."""

    SETTINGS = {"memory": 128}
    BINARY = False

    def setUp(self):
        import pylibmc
        self.pylibmc = pylibmc
        self.client = pylibmc.Client([f"127.0.0.1:{self.server.port}"], binary=self.BINARY,
                                     behaviors={"cas": True, "tcp_nodelay": True, "receive_timeout": 30_000_000})
        self.addCleanup(self.client.disconnect_all)

    def test_storing_and_reading(self):
        client = self.client
        store_and_read(self, client)
        with contextlib.suppress(self.pylibmc.NotFound):  # what the binary protocol says of it
            self.assertFalse(client.replace("none", "3"))
        self.assertIsNone(client.get("none"))
        self.assertTrue(client.append("new", ">") and client.prepend("new", "<"))
        self.assertEqual(client.get("new"), "<3>")
        self.assertTrue(client.delete("new"))
        self.assertFalse(client.delete("new"))
        self.assertTrue(client.touch("a", 100))

    def test_many_keys_at_once(self):
        values = {f"many:{i}": str(i) * (i % 50) for i in range(1000)}
        self.assertEqual(self.client.set_multi(values), [])
        self.assertEqual(self.client.get_multi([*values, "missing"]), values)
        self.assertTrue(self.client.delete_multi(list(values)))
        self.assertEqual(self.client.get_multi(list(values)), {})

    def test_cas_and_numbers(self):
        client = self.client
        client.set("c", "1")
        value, unique = client.gets("c")
        self.assertEqual(value, "1")
        self.assertTrue(client.cas("c", "2", unique))
        self.assertFalse(client.cas("c", "3", unique))
        client.set("n", 41)
        self.assertEqual(client.incr("n"), 42)
        self.assertEqual(client.decr("n", 50), 0)
        with self.assertRaises(self.pylibmc.NotFound):
            client.incr("none")
        client.set_multi({"n1": 1, "n2": 2})
        client.incr_multi(["n1", "n2"], delta=5)
        self.assertEqual(client.get_multi(["n1", "n2"]), {"n1": 6, "n2": 7})

    def test_large_values(self):
        self.assertTrue(self.client.set("data", LARGE))
        self.assertEqual(self.client.get("data"), LARGE)
        self.assertTrue(self.client.set("packed", "abc" * 500_000, min_compress_len=1000))
        self.assertEqual(self.client.get("packed"), "abc" * 500_000)
        with self.assertRaises(self.pylibmc.TooBig if self.BINARY else self.pylibmc.Error):
            self.client.set("large", b"x" * (2 << 20))

    def test_administration(self):
        [(_, stats)] = self.client.get_stats()
        self.assertTrue(stats)
        self.client.set("f", "1")
        self.assertTrue(self.client.flush_all())
        self.assertIsNone(self.client.get("f"))


class PylibmcBinaryRound(PylibmcRound):
    BINARY = True


class BmemcachedRound:
    """python-binary-memcached, which speaks the binary protocol alone."""

    SETTINGS = {"memory": 128}

    def setUp(self):
        import bmemcached
        self.client = bmemcached.Client((f"127.0.0.1:{self.server.port}",), socket_timeout=30, **self.security())
        self.addCleanup(self.client.disconnect_all)

    def test_storing_and_reading(self):
        client = self.client
        store_and_read(self, client)
        self.assertFalse(client.replace("none", "3"))
        self.assertEqual(client.get("new"), "3")
        self.assertTrue(client.delete("new"))
        self.assertIsNone(client.get("new"))

    def test_many_keys_at_once(self):
        values = {f"many:{i}": str(i) * (i % 50) for i in range(1000)}
        self.assertFalse(self.client.set_multi(values))
        self.assertEqual(self.client.get_multi([*values, "missing"]), values)
        self.assertTrue(self.client.delete_multi(list(values)))
        self.assertEqual(self.client.get_multi(list(values)), {})

    def test_cas_and_numbers(self):
        client = self.client
        client.set("c", "1")
        value, unique = client.gets("c")
        self.assertEqual(value, "1")
        self.assertTrue(client.cas("c", "2", unique))
        self.assertFalse(client.cas("c", "3", unique))
        client.delete("n")
        self.assertEqual(client.incr("n", 1, default=41), 41)
        self.assertEqual(client.incr("n", 1), 42)
        self.assertEqual(client.decr("n", 50), 0)

    def test_large_values(self):
        self.assertTrue(self.client.set("data", LARGE))
        self.assertEqual(self.client.get("data"), LARGE)

    def test_administration(self):
        [stats] = self.client.stats().values()
        self.assertIn("curr_items", {str(name) for name in stats})
        self.client.set("f", "1")
        self.assertTrue(self.client.flush_all())
        self.assertIsNone(self.client.get("f"))


class PlainCase(harness.ServerCase):
    def security(self):
        return {}


class SecuredCase(harness.ServerCase):
    """A server that wants TLS, and a client that speaks it."""

    @classmethod
    def setUpClass(cls):
        cls.certificates = tls_test.Certificates()
        cls.addClassCleanup(cls.certificates.remove)
        cls.OPTIONS = cls.certificates.options()
        super().setUpClass()

    def security(self):
        return {"tls_context": self.certificates.client_context()}


class PymemcacheSecuredTest(PymemcacheRound, SecuredCase):
    pass


class BmemcachedSecuredTest(BmemcachedRound, SecuredCase):
    pass


class BmemcachedLoggedInTest(BmemcachedRound, sasl_test.SaslCase):
    def security(self):
        return {"username": "anna", "password": "secret"}


def with_reactors(rounds, count):
    name = f"{rounds.__name__.removesuffix('Round')}{count}ReactorsTest"
    settings = rounds.SETTINGS | {"reactors": count}
    return name, type(name, (rounds, PlainCase), {"SETTINGS": settings})


for each in (PymemcacheRound, PylibmcRound, PylibmcBinaryRound, BmemcachedRound):
    for reactors in (1, 4):
        class_name, case = with_reactors(each, reactors)
        globals()[class_name] = case
del case


if __name__ == "__main__":
    unittest.main()

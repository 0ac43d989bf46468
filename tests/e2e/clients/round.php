<?php
// The round of PHP's memcached: round.php <text|binary> <host> <port>; "ok" at its end.
[, $protocol, $host, $port] = $argv;
$client = new Memcached();
$client->setOption(Memcached::OPT_BINARY_PROTOCOL, $protocol === 'binary');
$client->addServer($host, (int)$port);

function check($ok, $what) {
    global $client;
    if ($ok) return;
    fwrite(STDERR, "failed: $what: " . $client->getResultMessage() . "\n");
    exit(1);
}

check($client->set('h:text', 'hello'), 'set');
check($client->get('h:text') === 'hello', 'get');
check($client->get('h:none') === false && $client->getResultCode() === Memcached::RES_NOTFOUND, 'miss');
check($client->set('h:array', ['a' => 1, 'b' => [true, null, 2.5]]), 'set of an array');
check($client->get('h:array') === ['a' => 1, 'b' => [true, null, 2.5]], 'get of an array');
check($client->set('h:long', str_repeat('abc', 100000)), 'set of a compressed value');
check($client->get('h:long') === str_repeat('abc', 100000), 'get of a compressed value');
// The two protocols have different words for it.
[$exists, $missing] = $protocol === 'binary' ? [Memcached::RES_DATA_EXISTS, Memcached::RES_NOTFOUND]
                                             : [Memcached::RES_NOTSTORED, Memcached::RES_NOTSTORED];
check(!$client->add('h:text', 'x') && $client->getResultCode() === $exists, 'add of what exists');
check($client->add('h:new', 'x'), 'add of what does not');
check($client->replace('h:text', 'there'), 'replace');
check(!$client->replace('h:none', 'x') && $client->getResultCode() === $missing, 'replace of nothing');
$client->setOption(Memcached::OPT_COMPRESSION, false);
check($client->set('h:plain', 'mid'), 'set without compression');
check($client->append('h:plain', '>') && $client->prepend('h:plain', '<'), 'append and prepend');
check($client->get('h:plain') === '<mid>', 'get after append and prepend');
$data = random_bytes(900000);
check($client->set('h:data', $data) && $client->get('h:data') === $data, 'a large value of any bytes');
$found = $client->get('h:text', null, Memcached::GET_EXTENDED);
check($client->cas($found['cas'], 'h:text', 'first'), 'cas of the version that was read');
check(!$client->cas($found['cas'], 'h:text', 'second') && $client->getResultCode() === Memcached::RES_DATA_EXISTS,
      'cas of an old version');
check($client->set('h:n', 10) && $client->increment('h:n', 5) === 15 && $client->decrement('h:n', 20) === 0, 'numbers');
check($client->increment('h:none', 5) === false, 'increment of nothing');
if ($protocol === 'binary') {
    check($client->increment('h:made', 5, 7, 100) === 7 && $client->increment('h:made', 5, 7) === 12, 'initial values');
}
$items = [];
for ($i = 0; $i < 200; $i++) $items["h:k$i"] = str_repeat("value $i ", $i);
check($client->setMulti($items), 'setMulti');
check($client->getMulti(array_keys($items)) == $items, 'getMulti');
check($client->getDelayed(['h:k1', 'h:none', 'h:k2'], true), 'getDelayed');
check(count($client->fetchAll()) === 2, 'fetchAll');
check($client->touch('h:text', 100), 'touch');
check(!$client->touch('h:none', 100), 'touch of nothing');
check($client->set('h:gone', 'x', 1) && $client->set('h:past', 'x', time() - 10) && $client->get('h:past') === false,
      'a value whose time is up');
check($client->delete('h:text') && $client->get('h:text') === false, 'delete');
check(!$client->delete('h:text') && $client->getResultCode() === Memcached::RES_NOTFOUND, 'delete of nothing');
check(count($client->deleteMulti(['h:k1', 'h:k2'])) === 2 && $client->get('h:k1') === false, 'deleteMulti');
$stats = $client->getStats();
check(count($stats) === 1 && current($stats)['curr_items'] > 100, 'stats');
check(count($client->getStats('settings')) === 1, 'stats settings');
check($client->getVersion() !== false, 'version');
$client->setOption(Memcached::OPT_NO_BLOCK, true);
for ($i = 0; $i < 1000; $i++) $client->set('h:quick', $i);
$client->setOption(Memcached::OPT_NO_BLOCK, false);
check($client->get('h:quick') === 999, 'sets that wait for nothing');
check($client->flush() && $client->get('h:k3') === false, 'flush');
echo "ok\n";

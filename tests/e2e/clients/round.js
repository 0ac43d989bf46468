// The round of npm's memjs: round.js <host:port>; "ok" at its end.
const memjs = require('memjs');
const assert = require('assert');

async function round(client) {
  assert(await client.set('j:text', 'hello', {}));
  assert.equal((await client.get('j:text')).value.toString(), 'hello');
  assert.equal((await client.get('j:none')).value, null);
  assert.equal(await client.add('j:text', 'x', {}), false);
  assert(await client.add('j:new', 'x', {}));
  assert(await client.replace('j:text', 'mid', {}));
  assert.equal(await client.replace('j:none', 'x', {}), false);
  assert(await client.append('j:text', '>'));
  assert.equal((await client.get('j:text')).value.toString(), 'mid>');
  assert(await client.prepend('j:text', '<'));  // some releases append here
  assert.equal((await client.get('j:text')).value.length, 5);
  const data = Buffer.alloc(900000, 'abc');
  assert(await client.set('j:data', data, {expires: 100}));
  assert((await client.get('j:data')).value.equals(data));
  assert.equal((await client.increment('j:n', 5, {initial: 10, expires: 100})).value, 10);
  assert.equal((await client.increment('j:n', 5, {initial: 10})).value, 15);
  assert.equal((await client.decrement('j:n', 20, {initial: 10})).value, 0);
  assert(await client.touch('j:n', 100));
  const sets = [];
  for (let i = 0; i < 200; i++) sets.push(client.set('j:k' + i, 'v' + i, {}));
  assert((await Promise.all(sets)).every(Boolean));
  const found = await Promise.all([...Array(200).keys()].map((i) => client.get('j:k' + i)));
  found.forEach((item, i) => assert.equal(item.value.toString(), 'v' + i));
  assert(await client.delete('j:text'));
  assert.equal((await client.get('j:text')).value, null);
  const stats = await new Promise((resolve, reject) =>
    client.stats((error, server, values) => (error ? reject(error) : resolve(values))));
  assert(Number(stats.curr_items) > 100);
  await new Promise((resolve, reject) => client.flush((error) => (error ? reject(error) : resolve())));
  assert.equal((await client.get('j:k1')).value, null);
}

const client = memjs.Client.create(process.argv[2], {timeout: 30, retries: 0});
round(client).then(
  () => { client.close(); console.log('ok'); },
  (error) => { console.error(error); process.exit(1); });

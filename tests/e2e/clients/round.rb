# The round of Ruby's Dalli: round.rb <binary|meta> <host:port>; "ok" at its end.
require 'dalli'

protocol, server = ARGV
options = { compress: true, value_max_bytes: 1024 * 1024, socket_timeout: 60 }
options[:protocol] = :meta if protocol == 'meta'
client = Dalli::Client.new(server, options)

def check(ok, what)
  abort "failed: #{what}" unless ok
end

check(client.set('r:text', 'hello'), 'set')
check(client.get('r:text') == 'hello', 'get')
check(client.get('r:none').nil?, 'miss')
check(client.set('r:list', [1, { two: 3.5 }]), 'set of a structure')
check(client.get('r:list') == [1, { two: 3.5 }], 'get of a structure')
check(client.set('r:long', 'abc' * 200_000), 'set of a compressed value')
check(client.get('r:long') == 'abc' * 200_000, 'get of a compressed value')
data = Random.new(1).bytes(900_000)
check(client.set('r:data', data, 0, raw: true) && client.get('r:data', raw: true) == data, 'a large value of any bytes')
check(client.set("r:\u00e4\u20ac", 'x') && client.get("r:\u00e4\u20ac") == 'x', 'a key beyond ASCII')
check(!client.add('r:text', 'x'), 'add of what exists')
check(client.add('r:new', 'x'), 'add of what does not')
check(client.replace('r:text', 'there'), 'replace')
client.replace('r:none', 'x')
check(client.get('r:none').nil?, 'replace of what does not exist')
client.set('r:plain', 'mid', 0, raw: true)
check(client.append('r:plain', '>') && client.prepend('r:plain', '<'), 'append and prepend')
check(client.get('r:plain', raw: true) == '<mid>', 'get after append and prepend')
check(client.incr('r:n', 1, 100, 10) == 10, 'incr of what does not exist, with a start')
check(client.incr('r:n', 5) == 15 && client.decr('r:n', 20) == 0, 'incr and decr')
check(client.incr('r:none', 1).nil?, 'incr of what does not exist')
check(client.cas('r:text') { |value| "#{value}!" }, 'cas')
check(client.get('r:text') == 'there!', 'get after cas')
check(client.cas('r:none') { 'x' }.nil?, 'cas of what does not exist')
if client.respond_to?(:get_cas)
  value, cas = client.get_cas('r:text')
  check(value == 'there!' && client.set_cas('r:text', 'first', cas), 'set_cas of the version that was read')
  check(!client.set_cas('r:text', 'second', cas), 'set_cas of an old version')
end
client.multi { 200.times { |i| client.set("r:k#{i}", "v#{i}" * i) } }
many = client.get_multi(*(0...210).map { |i| "r:k#{i}" })
check(many.size == 200 && many.all? { |key, value| value == "v#{key[3..]}" * key[3..].to_i }, 'get_multi')
check(client.touch('r:text', 100) && !client.touch('r:none', 100), 'touch')
check(client.gat('r:text', 100) == client.get('r:text') && client.gat('r:none', 100).nil?, 'gat')
check(client.fetch('r:fetched', 100) { 42 } == 42 && client.fetch('r:fetched') { 43 } == 42, 'fetch')
check(client.delete('r:text') && client.get('r:text').nil? && !client.delete('r:text'), 'delete')
check(client.stats.values[0]['curr_items'].to_i > 100, 'stats')
check(!client.stats(:settings).values[0].nil?, 'stats settings')
check(client.version.values[0] =~ /\A\d+\.\d+/, 'version')
check(client.alive!, 'alive') if client.respond_to?(:alive!)
client.flush
check(client.get('r:k1').nil?, 'flush')
client.close
puts 'ok'

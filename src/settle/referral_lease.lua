-- Takes or renews the lease of a program, and says where it stands.  The
-- lease saves work, nothing else: what is safe is that the commit compares.
--
-- KEYS  ref:settled:{p}
-- ARGV  the owner, for how many ms (0: give it back), "1" to take it from
--       whoever has it; what keeps the owner from settling, "" if nothing
--       does; left out where the owner does not know yet
--
-- Answers: 1 if the lease is the owner's, whose it is, until when, the time in
-- ms; then position, chain, skip, newest_at, engine, trying, attempts, stopped,
-- repaired, rewards_chain, skipped, writing

local call = redis.call
local key, owner, life, force = KEYS[1], ARGV[1], tonumber(ARGV[2]), ARGV[3]
local trouble = ARGV[4]
local found = call('TYPE', key).ok

if found ~= 'none' and found ~= 'hash' then
    return redis.error_reply('WRONGTYPE ' .. key .. ' is a ' .. found
                             .. ', not a hash')
end

local clock = call('TIME')
local ms = clock[1] * 1000 + math.floor(clock[2] / 1000)
local lease = call('HMGET', key, 'lease', 'lease_until')
local whose, till = lease[1] or '', tonumber(lease[2] or '0') or 0
local mine = whose == owner

local function tell()
    if trouble == '' then
        call('HDEL', key, 'trouble')

    elseif trouble then
        call('HSET', key, 'trouble', trouble)
    end
end

if mine and life == 0 then
    call('HDEL', key, 'lease', 'lease_until')
    tell()
    whose, mine = '', false

elseif life > 0 and (mine or whose == '' or till <= ms or till > ms + 10 * life
                     or force == '1')
then
    whose, mine, till = owner, true, ms + life
    call('HSET', key, 'lease', owner, 'lease_until',
         string.format('%d', till))
    tell()
end

local answer = { mine and '1' or '0', whose, string.format('%d', till),
                 string.format('%d', ms) }
local state = call('HMGET', key, 'position', 'chain', 'skip', 'newest_at',
                   'engine', 'trying', 'attempts', 'stopped', 'repaired',
                   'rewards_chain', 'skipped', 'writing')

for i = 1, 12 do
    answer[#answer + 1] = state[i] or ''
end

return answer

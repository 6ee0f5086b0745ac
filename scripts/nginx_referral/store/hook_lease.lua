-- Takes or renews the lease of an endpoint, and says what it is.
--
-- KEYS  ref:hooks:{p}:NAME
-- ARGV  the owner, for how many ms (0: give it back)
--
-- Answers: nothing if there is no such endpoint; else 1 if the lease is the
-- owner's, the time in ms, then its fields and values

local call = redis.call
local key, owner, life = KEYS[1], ARGV[1], tonumber(ARGV[2])

if call('EXISTS', key) == 0 then
    return {}
end

local clock = call('TIME')
local ms = clock[1] * 1000 + math.floor(clock[2] / 1000)
local lease = call('HMGET', key, 'lease', 'lease_until')
local whose, till = lease[1] or '', tonumber(lease[2] or '0') or 0
local mine = whose == owner

if mine and life == 0 then
    call('HDEL', key, 'lease', 'lease_until')
    mine = false

elseif life > 0 and (mine or whose == '' or till <= ms or till > ms + 10 * life)
then
    -- not written at each look

    if not mine or till - ms < life * 2 / 3 then
        call('HSET', key, 'lease', owner, 'lease_until',
             string.format('%d', ms + life))
    end

    mine = true
end

local answer = { mine and '1' or '0', string.format('%d', ms) }
local fields = call('HGETALL', key)

for i = 1, #fields do
    answer[#answer + 1] = fields[i]
end

return answer

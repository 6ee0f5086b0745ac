-- Notes what became of a message that was sent to an endpoint: all of it or
-- nothing, and once.
--
-- KEYS  ref:hooks:{p}:NAME, ref:outbox:{p}, then …:retry, …:tries, …:dead
-- ARGV  the owner of the lease, the group, the message; "done", "again",
--       "dead" or "gone"; the time in ms; when it is sent again; what became
--       of it as one text; until when nothing is sent to the endpoint, or "";
--       its new state and why, or ""; how many failures in a row mean that it
--       is down
--
-- Answers: 1 if it was noted, 2 if an endpoint that failed is back, 3 if it is
-- the first failure; 0 if the lease is somebody else's or it was noted before

local call = redis.call
local hook, outbox, retry, tries, dead = unpack(KEYS)
local owner, group, id, outcome, now, due, text, hold, state, why, down =
    unpack(ARGV)

if call('HGET', hook, 'lease') ~= owner then
    return 0
end

local waits = call('ZSCORE', retry, id)
local taken = call('XACK', outbox, group, id)

if taken == 0 and not waits then
    return 0
end

if outcome == 'gone' then
    call('ZREM', retry, id)
    call('HDEL', tries, id)
    call('HINCRBY', hook, 'gone', 1)

    return 1
end

call('HSET', hook, 'last_at', now, 'last', text)

if outcome == 'done' then
    local failures = tonumber(call('HGET', hook, 'failures') or '0') or 0

    call('ZREM', retry, id)
    call('ZREM', dead, id)
    call('HDEL', tries, id)
    call('HINCRBY', hook, 'delivered', 1)
    call('HDEL', hook, 'failures', 'failing_since', 'hold_until', 'probe_at')

    -- it is back: what waits need not wait longer

    if failures >= tonumber(down) then
        call('ZUNIONSTORE', retry, 1, retry, 'WEIGHTS', 0)
    end

    return failures > 0 and 2 or 1
end

call('HSET', tries, id, text)
call('HINCRBY', hook, 'failed', 1)

local failures = call('HINCRBY', hook, 'failures', 1)

call('HSETNX', hook, 'failing_since', now)

if outcome == 'dead' then
    call('ZREM', retry, id)
    call('ZADD', dead, now, id)

else
    call('ZADD', retry, due, id)
end

if hold ~= '' then
    call('HSET', hook, 'hold_until', hold)
end

if state ~= '' then
    call('HSET', hook, 'state', state, 'why', why, 'changed_at', now)
end

return failures == 1 and 3 or 1

-- Writes what was decided of a program's facts: all of it, or nothing.
--
-- KEYS  ref:settled:{p}, then those that operations name by index
-- ARGV  position, chain, skip, repaired and writing that the decision builds
--       on ("0", and "" where there is none); the owner, and for how many ms it
--       has the lease (0: leave the lease alone); how many of the words that
--       follow are fields and values of ref:settled:{p}, and these; for each
--       other key "h", "z" or "x", a hash, a sorted set or a stream; then
--       operations: what, key, how many words, and these
--
-- All values are absolute, so whoever sends a batch again, or after somebody
-- else, changes nothing: it is refused by position, chain and writing.
--
-- Answers: 1 if it was written; 0, and position, chain and skip as they are.
-- An error can only come before the first write.

local call, unpack, tonumber, sub = redis.call, unpack, tonumber, string.sub

local PART = 200

local settled = KEYS[1]
local holds = { h = 'hash', z = 'zset', x = 'stream' }
local command = { S = 'HSET', D = 'HDEL', Z = 'ZADD', R = 'ZREM',
                  E = 'EXPIREAT', X = 'XADD' }

local fields = tonumber(ARGV[8])
local first = 9 + fields
local types = ARGV[first]

if #types ~= #KEYS - 1 then
    return redis.error_reply('WORK is malformed')
end

for i = 1, #KEYS do
    local want = i == 1 and 'hash' or holds[sub(types, i - 1, i - 1)]
    local found = call('TYPE', KEYS[i]).ok

    if found ~= 'none' and found ~= want then
        return redis.error_reply('WRONGTYPE ' .. KEYS[i] .. ' is a ' .. found
                                 .. ', not a ' .. (want or '?'))
    end
end

local now = call('HMGET', settled, 'position', 'chain', 'skip', 'repaired',
                 'writing')
local position, chain, skip = now[1] or '0', now[2] or '', now[3] or ''

if position ~= ARGV[1] or chain ~= ARGV[2] or skip ~= ARGV[3]
   or (now[4] or '') ~= ARGV[4] or (now[5] or '') ~= ARGV[5]
then
    return { '0', position, chain, skip }
end

-- an entry that a stream would refuse is found before anything is written

local ends = {}

local function follows(key, id)
    local position, index = string.match(id, '^(%d+)-(%d+)$')

    if not position then
        return false
    end

    if not ends[key] then
        ends[key] = { 0, -1 }

        local info = call('EXISTS', key) == 1 and call('XINFO', 'STREAM', key)
                     or {}

        for i = 1, #info, 2 do
            if info[i] == 'last-generated-id' then
                local a, b = string.match(info[i + 1], '^(%d+)-(%d+)$')
                ends[key] = { tonumber(a), tonumber(b) }
            end
        end
    end

    local before = ends[key]

    ends[key] = { tonumber(position), tonumber(index) }

    return ends[key][1] > before[1]
           or ends[key][1] == before[1] and ends[key][2] > before[2]
end

local at = first + 1

while at <= #ARGV do
    local n = tonumber(ARGV[at + 2])

    if not command[ARGV[at]] or not KEYS[tonumber(ARGV[at + 1])] or not n
       or n < 1 or n % 2 == 1 and ARGV[at] == 'S' or at + 2 + n > #ARGV
    then
        return redis.error_reply('WORK is malformed')
    end

    if ARGV[at] == 'X'
       and not follows(KEYS[tonumber(ARGV[at + 1])], ARGV[at + 3])
    then
        return redis.error_reply('WORK ' .. KEYS[tonumber(ARGV[at + 1])]
                                 .. ' has entries behind those that were'
                                 .. ' settled')
    end

    at = at + 3 + n
end

-- a user who may not do all of it does nothing; Redis 6 cannot be asked

local needs = {
    h = { { 'HSET', 'f', '1' }, { 'HDEL', 'f' } },
    z = { { 'ZADD', '1', 'm' }, { 'ZREM', 'm' }, { 'EXPIREAT', '1' } },
    x = { { 'XADD', '*', 'f', 'v' } }
}

if redis.acl_check_cmd then
    for i = 1, #KEYS do
        local kind = i == 1 and 'h' or sub(types, i - 1, i - 1)

        for _, need in ipairs(needs[kind]) do
            if not redis.acl_check_cmd(need[1], KEYS[i], unpack(need, 2)) then
                return redis.error_reply('NOPERM the user may not run "'
                                         .. need[1] .. '" on ' .. KEYS[i])
            end
        end
    end
end


-- the first write is one that Redis refuses when it is out of memory

local clock = call('TIME')
local ms = clock[1] * 1000 + math.floor(clock[2] / 1000)

call('HSET', settled, 'settled_at', string.format('%d', ms))

if fields > 0 then
    local gone = {}

    for i = 9, 8 + fields, 2 do
        if ARGV[i + 1] == '' then
            gone[#gone + 1] = ARGV[i]

        else
            call('HSET', settled, ARGV[i], ARGV[i + 1])
        end
    end

    if #gone > 0 then
        call('HDEL', settled, unpack(gone))
    end
end

if ARGV[7] ~= '0' then
    call('HSET', settled, 'lease', ARGV[6], 'lease_until',
         string.format('%d', ms + ARGV[7]))
end

at = first + 1

while at <= #ARGV do
    local what, key = command[ARGV[at]], KEYS[tonumber(ARGV[at + 1])]
    local last = at + 2 + tonumber(ARGV[at + 2])

    for from = at + 3, last, PART do
        local to = from + PART - 1

        call(what, key, unpack(ARGV, from, to < last and to or last))
    end

    at = last + 1
end

return { '1' }

-- Applies one batch of a journal: compares and sets the mark, then counts.
--
-- KEYS  the hash of marks, the stream of errors, the hash of forgotten ids,
--       then the keys that operations name by their index
-- ARGV  journal id, expected mark, new mark, and the work in MessagePack: a
--       list of texts, which operations name by their index; a list of
--       numbers, for each operation its kind, key, option, how many numbers
--       follow, and these; the first hour to keep.  It is one list, because
--       building a table for each operation would take longer than applying
--       it.  For keys that expire the option is the time, and the first
--       number how long they live.
--
-- Returns applied (0 or 1), the mark before (-1: none) and how many operations
-- were refused.  Errors are raised only before the first write.  After the
-- mark was set, an operation that fails is written to the stream of errors,
-- and the others are applied.

local call, try, safe = redis.call, redis.pcall, pcall
local tonumber, type, unpack = tonumber, type, unpack
local find, match, sub = string.find, string.match, string.sub
local format = string.format
local concat, sha1 = table.concat, redis.sha1hex

local IF, COUNT, SCORE, SET = 0, 1, 2, 3
local UNIQUE, EVENTS, HOURS, TRIM = 4, 5, 6, 7

-- the largest number that a double holds exactly, less some
local EXACT = 9007199254740000

local HOURS_MAX = 90 * 24 + 48

-- how many texts an event has, and the positions of some
local EVENT, ID, FIRST, VISITOR, REGION, CITY, AT = 20, 0, 5, 6, 8, 9, 19
local EMPTY = 1

-- dimensions whose values a request can choose
local chosen = { source = true, lang = true, channel = true }


local found = call('HGET', KEYS[1], ARGV[1])
local expected, mark = tonumber(ARGV[2]), tonumber(ARGV[3])

if not found then
    found = -1

elseif not find(found, '^%d+$') or tonumber(found) > EXACT then
    return redis.error_reply('MARK is not a number of a click in ' .. KEYS[1])

else
    found = tonumber(found)
end

if not expected or not mark or mark <= expected then
    return redis.error_reply('MARK arguments are wrong')
end

if found ~= expected and not (found == -1 and expected == 0) then
    return { 0, found, 0 }
end


local work = cmsgpack.unpack(ARGV[4])
local text, ops, oldest = work[1], work[2], work[3]
local clock = call('TIME')
local now = tonumber(clock[1])
local ms = now * 1000 + tonumber(clock[2]) / 1000
local refused = 0


-- records a refused operation; the entry must not name a person

local function refuse(op, key, args, err)
    refused = refused + 1

    if type(err) == 'table' then
        err = err.err
    end

    try('XADD', KEYS[2], 'MAXLEN', '~', 1000, '*',
        'op', op, 'key', key, 'args', args, 'error', err or '?')
end


local function counters(from, to)
    local list = {}

    for i = from, to < from + 99 and to or from + 99, 2 do
        list[#list + 1] = text[ops[i]] .. ' ' .. ops[i + 1]
    end

    return concat(list, ' ')
end


local function failed(reply)
    return type(reply) == 'table' and reply.err
end


-- sets when the key expires, but never earlier than before

local function extend(key, at)
    local left = try('PTTL', key)

    if type(left) == 'number' and (left < 0 or ms + left + 500 < at * 1000)
    then
        try('EXPIREAT', key, at)
    end
end


-- If the clock of the host runs ahead, the key expires as if written now.

local function ends(at, life)
    return at - life > now + 86400 and now + life or at
end


local function increment(key, field, by)
    local reply = try('HINCRBY', key, field, by)

    if failed(reply) then
        refuse('HINCRBY', key, field .. ' ' .. by, reply)
    end
end


-- Increments many fields of a hash with two commands instead of one for each.
-- If the hash has a cap, a new field of a dimension that requests choose is
-- added only below it.  Most counters are small and most increments 1, so the
-- text of a number plus one is cached.

local get, set, after = {}, {}, {}

local function count(key, cap, from, to)
    if from + 1 == to and cap == 0 then
        return increment(key, text[ops[from]], ops[to])
    end

    local n, s, opened, rest = 2, 2

    get[1], get[2] = 'HMGET', key
    set[1], set[2] = 'HSET', key

    for i = from, to, 2 do
        n = n + 1
        get[n] = text[ops[i]]
    end

    local old = try(unpack(get, 1, n))

    if old.err then
        return refuse('HINCRBY', key, counters(from, to), old)
    end

    for i = 1, n - 2 do
        local field, value, by = get[i + 2], old[i], ops[from + i + i - 1]

        if by == 1 and after[value] then
            value = after[value]

        elseif value then
            local before = value

            value = tonumber(value)
            value = value and value + by

            -- HINCRBY reports what is wrong with the value
            if not value or value % 1 ~= 0
               or value > EXACT or value < -EXACT
            then
                rest = rest or {}
                rest[#rest + 1] = field
                rest[#rest + 1] = by
                field = nil

            elseif by == 1 and value < 1000 then
                value = format('%d', value)
                after[before] = value
            end

        else
            value = by

            if cap > 0 then
                local _, _, dim, what = find(field, '^(%l+):(.*)$')

                if chosen[dim] and what ~= 'other' then
                    local name = 'fields:' .. dim

                    opened = opened or {}

                    if not opened[name] then
                        opened[name] = tonumber(try('HGET', key, name) or 0)
                                       or cap
                    end

                    if opened[name] < cap then
                        opened[name] = opened[name] + 1

                        rest = rest or {}
                        rest[#rest + 1] = name
                        rest[#rest + 1] = 1

                    else
                        rest = rest or {}
                        rest[#rest + 1] = dim .. ':other'
                        rest[#rest + 1] = by
                        field = nil
                    end
                end
            end
        end

        if field then
            set[s + 1], set[s + 2] = field, value
            s = s + 2
        end
    end

    if s > 2 then
        local reply = try(unpack(set, 1, s))

        if failed(reply) then
            refuse('HINCRBY', key, counters(from, to), reply)
        end
    end

    if rest then
        for i = 1, #rest, 2 do
            increment(key, rest[i], rest[i + 1])
        end
    end
end


local function score(key, at, from, to)
    if at > 0 and at <= now then
        return
    end

    for i = from + 1, to, 2 do
        local reply = try('ZINCRBY', key, ops[i + 1], text[ops[i]])

        if failed(reply) then
            return refuse('ZINCRBY', key, counters(i, to), reply)
        end
    end

    if at > 0 then
        extend(key, ends(at, ops[from]))
    end
end


local function add(command, key, at, from, to)
    if at <= now then
        return
    end

    set[1], set[2] = command, key

    for i = from + 1, to do
        set[i - from + 2] = text[ops[i]]
    end

    local reply = try(unpack(set, 1, to - from + 2))

    if failed(reply) then
        return refuse(command, key, to - from, reply)
    end

    extend(key, ends(at, ops[from]))
end


local function fields(key, at, from, to)
    add('HSET', key, at, from, to)
end


local function unique(key, at, from, to)
    add('PFADD', key, at, from, to)
end


local function events(key, _, from, to)
    for i = from, to, EVENT do
        local reply = try('XADD', key, '*', 'type', 'click',
                          'click_id', text[ops[i]],
                          'code', text[ops[i + 1]],
                          'referrer', text[ops[i + 2]],
                          'class', text[ops[i + 3]],
                          'result', text[ops[i + 4]],
                          'first', text[ops[i + 5]],
                          'visitor', text[ops[i + 6]],
                          'country', text[ops[i + 7]],
                          'region', text[ops[i + 8]],
                          'city', text[ops[i + 9]],
                          'lang', text[ops[i + 10]],
                          'device', text[ops[i + 11]],
                          'os', text[ops[i + 12]],
                          'app', text[ops[i + 13]],
                          'source', text[ops[i + 14]],
                          'channel', text[ops[i + 15]],
                          'segment', text[ops[i + 16]],
                          'variant', text[ops[i + 17]],
                          'landing_host', text[ops[i + 18]],
                          'at', text[ops[i + 19]])

        if failed(reply) then
            return refuse('XADD', key, (to - i + 1) / EVENT, reply)
        end
    end
end


-- "newest" is the time of the batch's last click.  If the clock of its host
-- runs ahead, nothing is removed.

local function hours(key, newest)
    local size = try('HLEN', key)

    if type(size) ~= 'number' or size <= HOURS_MAX or newest > now + 86400
    then
        return
    end

    local names, n = try('HKEYS', key), 2

    set[1], set[2] = 'HDEL', key

    for i = 1, #names do
        if names[i] < oldest and n < 900 then
            n = n + 1
            set[n] = names[i]
        end
    end

    if n > 2 then
        try(unpack(set, 1, n))
    end
end


local function trim(key, newest, from)
    local length, age = ops[from], ops[from + 1]

    try('XTRIM', key, 'MAXLEN', '~', length)

    if age == 0 then
        return
    end

    if newest <= now + 86400 then
        try('XTRIM', key, 'MINID', '~', (newest - age) * 1000)
    end

    -- without further clicks the stream is not trimmed, so it expires

    extend(key, now + age)
end


local run = {
    [COUNT] = count, [SCORE] = score, [SET] = fields, [UNIQUE] = unique,
    [EVENTS] = events, [HOURS] = hours, [TRIM] = trim
}


-- The work is checked, and all conditions are evaluated, before the first
-- write.

local pos, size, todo = 1, #ops, {}
local sum = 0

for i = 1, size do
    sum = sum + ops[i]
end

while pos <= size do
    local kind, key, option, n = unpack(ops, pos, pos + 3)

    if not n or not KEYS[key] or pos + 3 + n > size then
        return redis.error_reply('WORK is malformed')
    end

    if kind ~= IF then
        if not run[kind] then
            return redis.error_reply('WORK is malformed')
        end

        todo[#todo + 1] = pos

    elseif call('EXISTS', KEYS[key]) == 0 then
        pos = pos + option
    end

    pos = pos + 4 + n
end


-- The hash of forgotten ids has the SHA-1 of a visitor or click id, and the
-- time up to which its clicks are recorded without ids: a journal that is sent
-- again must not bring them back.

local until_when = {}

local function gone(at, visitor, id)
    local name = visitor .. ' ' .. id
    local time = until_when[name]

    if not time then
        local times = try('HMGET', KEYS[3], sha1(visitor), sha1(id))
        local one, other = times[1] or '', times[2] or ''

        time = one > other and one or other
        until_when[name] = time
    end

    return at <= time
end


local function nameless(from, to, nobody)
    for i = from, to, EVENT do
        local visitor, id = text[ops[i + VISITOR]], text[ops[i + ID]]

        if (visitor ~= '' or id ~= '') and gone(text[ops[i + AT]], visitor, id)
        then
            ops[i + ID], ops[i + FIRST] = EMPTY, EMPTY
            ops[i + REGION], ops[i + CITY] = EMPTY, EMPTY

            -- a click without consent had no visitor id and gets none

            if visitor ~= '' then
                ops[i + VISITOR] = nobody
            end
        end
    end
end


-- Removes clicks of forgotten ids and returns the index of the last number
-- that is left.  A click with "=" has the time of its id; the minute is part
-- of the key's name.

local function without(key, from, to)
    local last = from

    for i = from + 1, to, 2 do
        local id = text[ops[i]]
        local visitor, at = match(text[ops[i + 1]], '^%S+ (%S+) (%S+)')

        if at == '=' then
            local ms = tonumber(sub(id, 1, 8) .. sub(id, 10, 13), 16)

            at = format('%s:%02dZ', sub(key, -16), ms / 1000 % 60)
        end

        if not at or not gone(at, visitor, id) then
            ops[last + 1], ops[last + 2] = ops[i], ops[i + 1]
            last = last + 2
        end
    end

    return last
end


if call('EXISTS', KEYS[3]) == 1 then
    local nobody = #text + 1

    text[nobody] = '-'

    for i = 1, #todo do
        local at = todo[i]
        local first, last = at + 4, at + 3 + ops[at + 3]

        if ops[at] == EVENTS then
            nameless(first, last, nobody)

        elseif ops[at] == SET then
            last = without(KEYS[ops[at + 1]], first, last)
            ops[at + 3] = last - first + 1

            -- nothing is left: an expiry in the past skips the operation

            if last == first then
                ops[at + 2] = 0
            end
        end
    end
end


-- If the user lacks a permission, nothing is applied, because it may be
-- granted later and refused operations are not repeated.  Redis 6 has no
-- command to check it, so there such operations are refused.

local may = redis.acl_check_cmd

if may then
    local needs = {
        { 'HMGET', 'f' }, { 'HSET', 'f', '1' }, { 'HINCRBY', 'f', '1' },
        { 'ZINCRBY', '1', 'm' }, { 'PFADD', 'm' }, { 'XADD', '*', 'f', 'v' },
        { 'XTRIM', 'MAXLEN', '1' }, { 'PTTL' }, { 'EXPIREAT', '1' },
        { 'HLEN' }, { 'HKEYS' }, { 'HDEL', 'f' }
    }

    for i = 1, #needs do
        local need = needs[i]

        if not may(need[1], KEYS[1], unpack(need, 2)) then
            return redis.error_reply('NOPERM the user may not run "' ..
                                     need[1] .. '"')
        end
    end
end


call('HSET', KEYS[1], ARGV[1], ARGV[3])

for i = 1, #todo do
    local kind, key, option, n = unpack(ops, todo[i], todo[i] + 3)
    local first = todo[i] + 4

    local good, err = safe(run[kind], KEYS[key], option, first, first + n - 1)

    if not good then
        safe(refuse, '?', KEYS[key], n, err)
    end
end

return { 1, found, refused }

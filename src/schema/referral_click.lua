-- Applies one batch of a journal: compares and sets the mark, then counts.
--
-- KEYS  the marks, the errors, who was forgotten, then those that operations
--       name by index
-- ARGV  journal id, expected mark, new mark, work in MessagePack: a list of
--       texts, named by index; a list of numbers, for each operation its
--       kind, key, option, how many numbers follow, and these (one list: a
--       table for each operation takes longer to build than to work off); the
--       first hour to keep.  Of keys that end the option is when, and the
--       first number how long they live
--
-- Answers: applied (0 or 1), the mark before (-1: none), operations refused.
-- An error can only come before the first write; from the mark on nothing
-- raises, and an operation that fails is set aside alone.

local call, try, safe = redis.call, redis.pcall, pcall
local tonumber, type, unpack = tonumber, type, unpack
local find, match, sub = string.find, string.match, string.sub
local format = string.format
local concat, sha1 = table.concat, redis.sha1hex

local IF, COUNT, SCORE, SET = 0, 1, 2, 3
local UNIQUE, EVENTS, HOURS, TRIM = 4, 5, 6, 7

-- numbers are exact up to here
local EXACT = 9007199254740000

local HOURS_MAX = 90 * 24 + 48

-- numbers of texts in an event: how many, and where
local EVENT, ID, FIRST, VISITOR, REGION, CITY, AT = 20, 0, 5, 6, 8, 9, 19
local EMPTY = 1

-- the dimensions that a request can choose
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


-- what is written down about a refused operation names no person

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


-- a key's life only ever gets longer

local function extend(key, at)
    local left = try('PTTL', key)

    if type(left) == 'number' and (left < 0 or ms + left + 500 < at * 1000)
    then
        try('EXPIREAT', key, at)
    end
end


-- A host whose clock runs ahead: what it writes ends as if it were of now.

local function ends(at, life)
    return at - life > now + 86400 and now + life or at
end


local function increment(key, field, by)
    local reply = try('HINCRBY', key, field, by)

    if failed(reply) then
        refuse('HINCRBY', key, field .. ' ' .. by, reply)
    end
end


-- Many fields of one hash take two commands, not one each.  In a hash that
-- has a cap, a field of a dimension that requests choose opens only below it.
-- Most counters are small and most increments 1: what comes after a number
-- is worked out once.

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

            -- let Redis say what is wrong with it
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


-- "newest" is the batch's own time: a host whose clock runs ahead must not
-- cut what is not old

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

    -- nobody trims it when no more clicks come

    extend(key, now + age)
end


local run = {
    [COUNT] = count, [SCORE] = score, [SET] = fields, [UNIQUE] = unique,
    [EVENTS] = events, [HOURS] = hours, [TRIM] = trim
}


-- all of it is looked at, and all conditions are asked, before the first
-- write

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


-- Who was forgotten stands in a hash: the id of the visitor or of the click,
-- itself hashed, and the time up to which its clicks count without a name.  A
-- journal that is sent again must not bring the name back.

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

            -- without consent there is none, and so it stays

            if visitor ~= '' then
                ops[i + VISITOR] = nobody
            end
        end
    end
end


-- Returns the place of the last number that is left.  A click whose time is
-- that of its id has "=" in its place; the minute is in the key's name.

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

            -- as if its time were over

            if last == first then
                ops[at + 2] = 0
            end
        end
    end
end


-- A user who may not do all of it does nothing: what is refused only for a
-- while must not be set aside.  Redis 6 cannot be asked; there such an
-- operation is.

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

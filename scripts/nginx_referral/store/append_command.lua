-- Appends a command about rewards to a program's stream of facts: once for each
-- id, with the next number and Redis's time, never less than that of the entry
-- before.
--
-- KEYS  ref:conversions:{p}, the key of ref:ids that the id is filed under,
--       ref:person:{p}, ref:person:{p}:names, ref:seed:{p}, ref:settled:{p}
-- ARGV  the type; the event's id, its field in ref:ids, its fingerprint; the
--       field that gets the number of a person ("owner", "friend"; "": it is
--       about nobody), the customer's id, or "u17" for number 17; "1" if that
--       may be somebody who is not known yet; 32 hexadecimal digits for a seed,
--       should there be none; then names and values
--
-- Answers: what became of it, the entry's number, and the person's number ("0":
-- none):
--
--   new        it is appended
--   created    the same, and the customer has got a number
--   replay     it was there; nothing is written
--   conflict   another entry has the id; nothing is written
--   unknown    no such customer; nothing is written
--
-- Everything is read before the first write, each key with a command of its
-- type; whatever is wrong before it is an error, and nothing is written.

local call, try = redis.call, redis.pcall
local type, tonumber, unpack = type, tonumber, unpack
local find, match, sub, format = string.find, string.match, string.sub,
                                 string.format
local stream, ids, persons, names, seeds, settled = unpack(KEYS)
local kind, event, place, print = unpack(ARGV)
local role, customer, may_create = ARGV[5], ARGV[6], ARGV[7] == '1'
local FIRST = 9

-- numbers are exact up to here
local EXACT = 9007199254740000

local wrong


local function bad(text)
    wrong = wrong or text
end


local function ask(command, key, ...)
    local reply = try(command, key, ...)

    if type(reply) == 'table' and reply.err then
        return bad(reply.err .. ' in '
                   .. (command == 'XINFO' and ... or key))
    end

    return reply
end


local function decimal(number)
    return format('%.0f', number)
end


local function whole(text)
    local number = text and find(text, '^%d+$') and tonumber(text)

    return number and number <= EXACT and number or nil
end


-- the same id again

local before = ask('HGET', ids, place)

if wrong then
    return redis.error_reply(wrong)
end

if before then
    local n, of = match(before, '^(%d+) (%x+)$')

    if not whole(n) then
        return redis.error_reply('ID is malformed in ' .. ids)
    end

    if of ~= print then
        return { 'conflict', n, '0' }
    end

    local entry = ask('XRANGE', stream, n .. '-0', n .. '-0')
    local fields = entry and entry[1] and entry[1][2] or {}
    local has = {}

    for i = 1, #fields, 2 do
        has[fields[i]] = fields[i + 1]
    end

    if wrong or has.event ~= event then
        return redis.error_reply(wrong or 'STREAM has no entry ' .. n ..
                                 ' of this id: ' .. stream)
    end

    return { 'replay', n, has[role] or '0' }
end


-- where the stream ends

local last, time = 0, 0

if call('EXISTS', stream) == 1 then
    local info = ask('XINFO', 'STREAM', stream) or {}
    local number, entry

    for i = 1, #info, 2 do
        if info[i] == 'last-generated-id' then
            number = whole(match(info[i + 1], '^(%d+)%-0$'))

        elseif info[i] == 'last-entry' then
            entry = info[i + 1]
        end
    end

    last = number or bad('STREAM its ids are not N-0 in ' .. stream) or 0

    for i = 1, entry and #entry[2] or 0, 2 do
        if entry[2][i] == 'time' then
            time = whole(entry[2][i + 1])
                   or bad('STREAM its last entry has no time in ' .. stream)
                   or 0
        end
    end
end

local newest = ask('HGET', names, 'next')

if newest then
    newest = whole(newest) or bad('NAMES "next" is no number in ' .. names)

elseif ask('HLEN', persons) ~= 0 then
    bad('NAMES "next" is missing in ' .. names)
end

newest = newest or 0

-- what a stream that is only away takes now is lost when it comes back

if newest > 0 and last == 0 then
    bad('STREAM is not there, though it had entries: ' .. stream)
end

local position = ask('HGET', settled, 'position')

if position and last < (whole(position) or 0) then
    bad('STREAM ends at entry ' .. decimal(last) .. ', though entry ' ..
        position .. ' was settled: ' .. stream)
end

if last >= EXACT or newest >= EXACT then
    bad('STREAM has no numbers left in ' .. stream)
end

local seed, make_seed = ask('GET', seeds), false

if not seed and not wrong then
    seed, make_seed = ARGV[8], true
end

if not wrong and (not find(seed, '^%x+$') or #seed ~= 32) then
    bad('SEED is not 32 hexadecimal digits in ' .. seeds)
end


-- who it is about: by the id, else by the number, of which the id may be
-- forgotten

local number, id, created

if role ~= '' and not wrong then
    local value = ask('HGET', persons, customer)

    if value then
        number, id = whole(match(value, '^%d+')), customer

        if not number or number < 1 or number > newest then
            bad('PERSON is malformed, or newer than "next", in ' .. persons)
        end

    elseif find(customer, '^u[1-9]%d*$') then
        number = whole(sub(customer, 2))

        if not number or number > newest then
            return { 'unknown', '0', '0' }
        end

        id = ask('HGET', names, decimal(number))

    elseif may_create then
        number, id, created = newest + 1, customer, true

    elseif not wrong then
        return { 'unknown', '0', '0' }
    end
end


-- May the user do all of it?  Redis 6 cannot be asked: there a command that
-- does nothing is tried, and what is not allowed, or not possible now, says
-- so.

local needs = {
    { 'XADD', stream, { '*', 'f', 'v' }, { '0-0', 'f', 'v' },
      'must be greater than 0' },
    { 'HSET', ids, { 'f', 'v' }, { 'f', 'v', 'f' },
      'wrong number of arguments' }
}

if created then
    needs[#needs + 1] = { 'HSET', persons, unpack(needs[2], 3) }
    needs[#needs + 1] = { 'HSET', names, unpack(needs[2], 3) }
end

if make_seed then
    needs[#needs + 1] = { 'SET', seeds, { 'v' }, { 'v', 'NX', 'XX' },
                          'syntax error' }
end

for i = 1, wrong and 0 or #needs do
    local command, key, arguments, nothing, answer = unpack(needs[i])

    if redis.acl_check_cmd then
        if not redis.acl_check_cmd(command, key, unpack(arguments)) then
            bad('NOPERM the user may not run "' .. command .. '" on ' .. key)
        end

    else
        local err = try(command, key, unpack(nothing)).err

        if not find(err, answer, 1, true) then
            bad(err .. ' in ' .. key)
        end
    end
end

if wrong then
    return redis.error_reply(wrong)
end


local clock = call('TIME')
local now = tonumber(clock[1]) * 1000 + (tonumber(clock[2])
                                         - tonumber(clock[2]) % 1000) / 1000
local n = decimal(last + 1)
local who = id and sub(redis.sha1hex(seed .. ':' .. id), 1, 16) or ''
local fields = { 'type', kind, 'event', event, 'who', who,
                 'time', decimal(time > now and time or now) }

if number then
    fields[#fields + 1], fields[#fields + 2] = role, decimal(number)
end

for i = FIRST, #ARGV do
    fields[#fields + 1] = ARGV[i]
end

fields[#fields + 1], fields[#fields + 2] = 'fp', print

call('XADD', stream, n .. '-0', unpack(fields))
call('HSET', ids, place, n .. ' ' .. print)

if make_seed then
    call('SET', seeds, seed)
end

if created then
    call('HSET', names, 'next', decimal(number), decimal(number), customer)
    call('HSET', persons, customer, decimal(number))
end

return { created and 'created' or 'new', n, decimal(number or 0) }

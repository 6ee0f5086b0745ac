-- Appends a fact of the settler's own to a program's stream: the next number,
-- and Redis's time, never less than that of the entry before.
--
-- KEYS  ref:conversions:{p}, ref:settled:{p}
-- ARGV  type; what must be last, "" for anything (rules), or the position to
--       be skipped; of a tick the moment that it is for; then names and
--       values behind "time"
--
-- Answers: the number of the entry; 0 if something else was appended, if that
-- position is not the one that the program stands before, or if there is no
-- stream: a program that was deleted is not made again.

local call, format = redis.call, string.format
local stream, settled = KEYS[1], KEYS[2]

for i, want in ipairs({ 'stream', 'hash' }) do
    local found = call('TYPE', KEYS[i]).ok

    if found ~= 'none' and found ~= want then
        return redis.error_reply('WRONGTYPE ' .. KEYS[i] .. ' is a ' .. found
                                 .. ', not a ' .. want)
    end
end

if call('EXISTS', stream) == 0 then
    return '0'
end

local last, time = 0, 0
local info = call('XINFO', 'STREAM', stream)

for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then
        last = tonumber(string.match(info[i + 1], '^(%d+)-')) or 0
    end
end

local entry = call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]

for i = 1, entry and #entry[2] or 0, 2 do
    if entry[2][i] == 'time' then
        time = tonumber(entry[2][i + 1]) or 0
    end
end

if ARGV[1] == 'skip' then
    local position = call('HGET', settled, 'position') or '0'

    if tonumber(position) + 1 ~= tonumber(ARGV[2])
       or not call('HGET', settled, 'stopped')
    then
        return '0'
    end

elseif ARGV[2] ~= '' and tonumber(ARGV[2]) ~= last then
    return '0'
end

local clock = call('TIME')
local ms = clock[1] * 1000 + math.floor(clock[2] / 1000)

if ms < time then
    ms = time
end

local first = 3

if ARGV[1] == 'tick' then

    if ms < tonumber(ARGV[3]) then
        return '0'
    end

    first = 4
end

local id = format('%d', last + 1)

call('XADD', stream, id .. '-0', 'type', ARGV[1], 'event', '', 'who', '',
     'time', format('%d', ms), unpack(ARGV, first))

if ARGV[1] == 'skip' then
    call('HSET', settled, 'skip', ARGV[2])
    call('HDEL', settled, 'stopped', 'trying', 'attempts')
end

return id

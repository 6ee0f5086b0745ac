-- Appends one batch of a journal of events to the stream of conversions:
-- compares and sets the mark, claims the id of each event, finds out whom it
-- is credited to, numbers it and writes its entry.
--
-- KEYS  the marks, the stream, people, their names, what was rejected, the
--       seed, the program, what is settled, then those that events name by
--       index
-- ARGV  journal id, expected mark, new mark, the events in MessagePack: one
--       list, for each event as many values as FIELDS says; 32 hexadecimal
--       digits for a seed, should there be none; what the keys of links and
--       of referrers begin with; for programs that do not say it: window and
--       late in seconds, and "first" or "last"
--
-- Answers: applied (0 or 1), the mark before (-1: none), 0, and if it was
-- applied for each event its kind (0 new, 1 replay, 2 conflict), its position
-- in the stream, and how it was credited: the place in VIA, + 8 for a known
-- customer, + 16 if it names the customer as the referrer; 32 for a replay whose
-- entry is kept elsewhere by now.
--
-- An event that may wait for its click ends the batch before it, if that click
-- could still come and nothing else leads to a referrer: applied is 2 then, the
-- third number is the new mark (of the events before it, or the expected one if
-- there are none and nothing is written), and those events' answers follow.
--
-- Everything is read, and everything that will be written is made, before the
-- first write; whatever is wrong before it is an error for the whole batch.
-- Each key that is written is read before with a command of its type.

local call, try = redis.call, redis.pcall
local tonumber, type, unpack = tonumber, type, unpack
local find, match, gmatch, gsub = string.find, string.match, string.gmatch,
                                  string.gsub
local sub, lower, format, byte = string.sub, string.lower, string.format,
                                 string.byte
local concat, sha1 = table.concat, redis.sha1hex

-- what an event brings, in this order; CLICK_KEY and the next two are the
-- places of "clicks" among KEYS, each with "claimed" behind it
local ID, TYPE, AT, GIVEN, TRUST, CUSTOMER, ORDER = 1, 2, 3, 4, 5, 6, 7
local AMOUNT, UNIT, REFUNDED, QUANTITY, PRODUCT = 8, 9, 10, 11, 12
local ROLE, PARTIES, SEGMENT, ORDER_AT, NEW, CLICK = 13, 14, 15, 16, 17, 18
local FIRST_CODE, FIRST_CLICK, LAST_CODE, LAST_CLICK = 19, 20, 21, 22
local CODE, PLACE, CITY, EXTRA, PRINT, ID_FIELD = 23, 24, 25, 26, 27, 28
local KNOWN_FIELD, ID_KEY, KNOWN_KEY, CLICK_KEY = 29, 30, 31, 32
local FIRST_KEY, LAST_KEY, SEQ, WAITS, FIELDS = 33, 34, 35, 36, 36

local VIA = { none = 0, bound = 1, click = 2, cookie = 3, code = 4 }
local GONE = 32

-- numbers are exact up to here
local EXACT = 9007199254740000

local DURATION_MAX = 400 * 86400
local AHEAD = 5 * 60 * 1000

local REJECTS, REJECTS_LIFE = 10000, 90 * 86400

-- a sign-up this soon after its click was hardly made by a person
local FAST_LEAD = 3000


local found = try('HGET', KEYS[1], ARGV[1])
local expected, mark = tonumber(ARGV[2]), tonumber(ARGV[3])

if type(found) == 'table' then
    return redis.error_reply(found.err .. ' in ' .. KEYS[1])

elseif not found then
    found = -1

elseif not find(found, '^%d+$') or tonumber(found) > EXACT then
    return redis.error_reply('MARK is not a number of an event in ' ..
                             KEYS[1])

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

if type(work) ~= 'table' or #work % FIELDS ~= 0 then
    return redis.error_reply('WORK is malformed')
end


-- the first thing that is wrong; nothing is written then

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


local function trim(text)
    return match(text or '', '^[ \t\r\n]*(.-)[ \t\r\n]*$')
end


-- what the program says, where it is right

local function seconds(text, default)
    local n, unit = match(trim(text), '^0*(%d*)([dhms]?)$')
    local of = { d = 86400, h = 3600, m = 60 }

    n = n and #n < 10 and tonumber(n)
    n = n and n * (of[unit] or 1)

    return n and n <= DURATION_MAX and n or tonumber(default)
end


local function order(text)
    local list, seen = {}, { none = true }

    for word in gmatch(trim(text) .. ',', '([^,]*),') do
        word = lower(trim(word))

        if not VIA[word] or seen[word] then
            return { 'bound', 'click', 'cookie', 'code' }
        end

        seen[word] = true
        list[#list + 1] = word
    end

    return list
end


local said = ask('HMGET', KEYS[7], 'state', 'window', 'late', 'bind',
                 'attribution', 'attribution_order') or {}
local program_state = lower(trim(said[1]))

if program_state == '' then
    program_state = (said[1] or call('EXISTS', KEYS[7]) == 1) and 'active'
                    or 'absent'

elseif program_state ~= 'active' then
    program_state = 'paused'
end

local window = seconds(said[2], ARGV[8]) * 1000
local late = seconds(said[3], ARGV[9]) * 1000
local lapses = lower(trim(said[4])) == 'window'
local which = lower(trim(said[5]))
local ways = order(said[6])

if which ~= 'first' and which ~= 'last' then
    which = ARGV[10]
end


-- where the stream ends: the number of its last entry, and its time

local last, time = 0, 0

if call('EXISTS', KEYS[2]) == 1 then
    local info = ask('XINFO', 'STREAM', KEYS[2]) or {}
    local number, entry

    for i = 1, #info, 2 do
        if info[i] == 'last-generated-id' then
            number = whole(match(info[i + 1], '^(%d+)%-0$'))

        elseif info[i] == 'last-entry' then
            entry = info[i + 1]
        end
    end

    last = number or bad('STREAM its ids are not N-0 in ' .. KEYS[2]) or 0

    if entry then
        local fields = entry[2]

        time = nil

        for i = 1, #fields, 2 do
            if fields[i] == 'time' then
                time = whole(fields[i + 1])
            end
        end

        time = time or bad('STREAM its last entry has no time in ' .. KEYS[2])
               or 0
    end
end

local clock = call('TIME')
local now = tonumber(clock[1]) * 1000 + (tonumber(clock[2])
                                         - tonumber(clock[2]) % 1000) / 1000

time = time > now and time or now


local seed, make_seed = ask('GET', KEYS[6])

if not seed then
    seed, make_seed = ARGV[5], true
end

if not find(seed, '^%x+$') or #seed ~= 32 then
    bad('SEED is not 32 hexadecimal digits in ' .. KEYS[6])
end


-- People, by their ids: customers and referrers are one kind.  The value is
-- "N", or once somebody is credited "N REFERRER_N CODE AT VIA".

local people, names, changed = {}, {}, {}
local newest = ask('HGET', KEYS[4], 'next')

if newest then
    newest = whole(newest) or bad('NAMES "next" is no number in ' .. KEYS[4])

elseif ask('HLEN', KEYS[3]) ~= 0 then
    bad('NAMES "next" is missing in ' .. KEYS[4])
end

newest = newest or 0

-- a stream that is only away must not begin anew: what it would take now is
-- lost when it comes back

if newest > 0 and last == 0 then
    bad('STREAM is not there, though it had entries: ' .. KEYS[2])
end

local settled = try('HGET', KEYS[8], 'position')

if type(settled) == 'string' and last < (whole(settled) or 0) then
    bad('STREAM ends at entry ' .. decimal(last) .. ', though entry ' ..
        settled .. ' was settled: ' .. KEYS[2])
end

local given = newest


local function person(id)
    local one = people[id]

    if one then
        return one
    end

    one = { id = id }
    people[id] = one

    local value = ask('HGET', KEYS[3], id)

    if not value then
        return one
    end

    local n, referrer, code, at = match(value, '^(%d+) (%d+) (%S+) (%d+) %l+$')

    one.n = whole(n or value)
    one.referrer, one.code, one.at = whole(referrer), code, whole(at)

    if not one.n or one.n > given
       or n and (not one.referrer or one.referrer > given or not one.at)
    then
        bad('PERSON is malformed, or newer than "next", in ' .. KEYS[3])
        one.n = 0
    end

    return one
end


local function number(id)
    local one = person(id)

    if not one.n then
        newest = newest + 1
        one.n = newest
        names[newest] = id
        one.new = true
        changed[#changed + 1] = one
    end

    return one.n
end


local function name(n)
    if names[n] == nil then
        names[n] = ask('HGET', KEYS[4], decimal(n)) or false
    end

    return names[n]
end


-- Whose a link is now: its referrer, or the code; nil if there is none.  A
-- field that is wrong is as if it were not there.

local owners = {}

local function owner(code)
    local one = owners[code]

    if one ~= nil then
        return one
    end

    local key = ARGV[6] .. code
    local link = ask('HMGET', key, 'referrer', 'segment', 'state') or {}

    if link[1] or link[2] or link[3] or call('EXISTS', key) == 1 then
        local referrer, segment = trim(link[1]), trim(link[2])
        local state = lower(trim(link[3]))

        if #referrer > 64 or not find(referrer, '^[%w_.@+-]+$') then
            referrer = code
        end

        if #segment > 32 or not find(segment, '^[%l%d_.-]+$') then
            segment = ''
        end

        one = { referrer = referrer, segment = segment,
                active = state == '' or state == 'active' }
    end

    owners[code] = one or false

    return one
end


local referrers = {}

local function about(id)
    local one = referrers[id]

    if one then
        return one
    end

    local key = ARGV[7] .. id
    local reply = ask('HMGET', key, 'segment', 'state') or {}
    local segment, state = trim(reply[1]), lower(trim(reply[2]))

    if #segment > 32 or not find(segment, '^[%l%d_.-]+$') then
        segment = ''
    end

    if not reply[1] and not reply[2] and call('EXISTS', key) == 0 then
        state = 'absent'

    elseif state == '' then
        state = 'active'

    elseif state ~= 'active' then
        state = 'disabled'
    end

    one = { segment = segment, state = state }
    referrers[id] = one

    return one
end


-- a link's segment, else its referrer's

local function segment_of(one)
    return one.segment ~= '' and one.segment or about(one.referrer).segment
end


local function word(text)
    return text ~= '-' and text or ''
end


local function made_at(click)
    return tonumber(sub(click, 1, 8) .. sub(click, 10, 13), 16)
end


-- A touch: who is credited if it counts, and what is known of it.  That of a
-- click id is as it was when it was made; of older clicks, and of those whose
-- link could not be looked up, the referrer is the link's of now.

local function clicked(click, key)
    local value = ask('HGET', KEYS[key], click)
    local list = {}

    if not value then
        return nil
    end

    for text in gmatch(value, '%S+') do
        list[#list + 1] = text
    end

    if #list < 10 then
        return nil
    end

    local touch = { code = list[1], click = click, key = key,
                    at = made_at(click), first = list[4],
                    first_click = list[6], country = word(list[7]),
                    channel = word(list[8]), variant = word(list[9]),
                    device = word(list[10]) }

    if list[11] and list[12] and not find(list[13] or '', 'u', 1, true) then
        touch.referrer = list[11] ~= '=' and list[11] or list[1]
        touch.segment = word(list[12])
        return touch
    end

    local one = owner(list[1])

    if not one then
        return nil
    end

    touch.referrer, touch.segment = one.referrer, segment_of(one)

    return touch
end


local function typed(code, at)
    local one = code ~= '' and owner(code)

    if not one then
        return nil
    end

    return { code = code, click = '', at = at, referrer = one.referrer,
             segment = segment_of(one), active = one.active, country = '',
             channel = '', variant = '', device = '' }
end


local asked = {

    bound = function(e, customer, at)
        if not customer.referrer or (lapses and at > customer.at + window) then
            return nil
        end

        local id = name(customer.referrer)
        local one = id and owner(customer.code)
        local touch = { code = customer.code, click = '', at = at,
                        number = customer.referrer, referrer = id,
                        segment = '', country = '', channel = '',
                        variant = '', device = '', bound = true }

        if id then
            touch.segment = one and one.referrer == id and segment_of(one)
                            or about(id).segment
        end

        return touch
    end,

    click = function(e)
        return e[CLICK] ~= '' and clicked(e[CLICK], e[CLICK_KEY]) or nil
    end,

    cookie = function(e, _, at)
        local code, click, key = e[LAST_CODE], e[LAST_CLICK], e[LAST_KEY]

        -- a first touch whose window is over yields to the last one, as it
        -- does where nginx reads the cookie for a page

        if which == 'first' and e[FIRST_CODE] ~= ''
           and at <= made_at(e[FIRST_CLICK]) + window
        then
            code, click, key = e[FIRST_CODE], e[FIRST_CLICK], e[FIRST_KEY]
        end

        if code == '' then
            return nil
        end

        local touch = clicked(click, key)

        if touch and touch.code == code then
            return touch
        end

        touch = typed(code, made_at(click))

        if touch then
            touch.click, touch.key = click, key
        end

        return touch
    end,

    code = function(e, _, at)
        local touch = typed(e[CODE], at)

        return touch and touch.active and touch or nil
    end
}


-- The first way that leads to somebody else than the customer; "own": the
-- binding is none.

local function credit(e, customer, at, own)
    local self = 0

    for i = 1, #ways do
        local touch = not (own and ways[i] == 'bound')
                      and asked[ways[i]](e, customer, at)

        if touch and (touch.bound or touch.at <= at + AHEAD
                                     and at <= touch.at + window)
        then
            if touch.referrer == customer.id
               or touch.bound and touch.number == customer.n
            then
                self = 1

            else
                return touch, ways[i], self
            end
        end
    end

    return nil, 'none', self
end


-- Could the click that an event names still come, and would it be credited?
-- A click and its sale go to Redis on two ways, and on several hosts.

local function waits(e)
    if e[WAITS] ~= '1' or e[CUSTOMER] == '' then
        return false
    end

    local at, made = tonumber(e[AT]), made_at(e[CLICK])
    local asked_for = false

    for i = 1, #ways do
        asked_for = asked_for or ways[i] == 'click'
    end

    if not asked_for or made > at + AHEAD or at > made + window
       or now > made + window + late
       or ask('HGET', KEYS[e[CLICK_KEY]], e[CLICK])
    then
        return false
    end

    return not credit(e, person(e[CUSTOMER]), at)
end


-- A friend is bound by the first touch that counts, and again only if the
-- program lets that lapse.

local function bind(customer, touch, via, at)
    if touch.bound
       or customer.referrer and not (lapses and at > customer.at + window)
    then
        return
    end

    customer.referrer, customer.code = touch.number, touch.code
    customer.at, customer.via = at, via

    if not customer.new and not customer.bound then
        changed[#changed + 1] = customer
    end

    customer.bound = true
end


-- A click belongs to one friend: the first one who came with it.

local claims, claimed = {}, {}

local function shared(touch, n)
    if touch.click == '' then
        return nil
    end

    local key = touch.key + 1
    local name = touch.click

    if claimed[name] == nil then
        local value = ask('HGET', KEYS[key], name)

        claimed[name] = value and (whole(value)
                                   or bad('CLAIMED is malformed in ' ..
                                          KEYS[key]))
    end

    if claimed[name] then
        return claimed[name] ~= n and 'shared_click' or nil
    end

    claimed[name] = n
    claims[#claims + 1] = { key = KEYS[key], click = name, n = n,
                            ends = (touch.at < now and touch.at or now)
                                   + window + late }

    return nil
end


-- The signs of fraud that hold, with commas between.  "own" is what the event
-- brought itself: of a friend who is bound it alone says where the click was.

local function signs(e, touch, own, customer, at)
    local list = {}
    local click = not touch.bound and touch
                  or own and own.referrer == touch.referrer and own
    local waited = at - touch.at

    if not touch.bound then
        list[1] = shared(touch, customer.n)

        -- a click after its sign-up is two clocks that differ

        if e[TYPE] == 'lead' and touch.click ~= ''
           and waited >= 0 and waited < FAST_LEAD
        then
            list[#list + 1] = 'fast_lead'
        end
    end

    if click and find(click.country, '^%u%u$') and e[PLACE] ~= ''
       and click.country ~= e[PLACE]
    then
        list[#list + 1] = 'country'
    end

    if not touch.bound and touch.referrer
       and person(touch.referrer).referrer == customer.n
    then
        list[#list + 1] = 'mutual'
    end

    return concat(list, ',')
end


-- The first and the last touch: those of the cookie, else those of the click,
-- else the code.  They are the event's own: one that is credited to the
-- binding has them too, so that the settler counts the same if it comes first.

local function touches(e, touch)
    if e[FIRST_CODE] ~= '' or e[LAST_CODE] ~= '' then
        return e[FIRST_CODE],
               e[FIRST_CODE] ~= '' and decimal(made_at(e[FIRST_CLICK])) or '',
               e[LAST_CODE],
               e[LAST_CODE] ~= '' and decimal(made_at(e[LAST_CLICK])) or ''
    end

    if not touch then
        return '', '', '', ''
    end

    local at = decimal(touch.at)

    if touch.click == '' or touch.first == '=' then
        return touch.code, at, touch.code, at
    end

    if not find(touch.first_click, '^%x+%-%x+%-%x+%-%x+%-%x+$') then
        return '', '', touch.code, at
    end

    return touch.first, decimal(made_at(touch.first_click)), touch.code, at
end


local function parties(e)
    local list = {}

    for id in gmatch(e[PARTIES], '%S+') do
        list[#list + 1] = decimal(number(id))
    end

    return concat(list, ',')
end


-- what is said of somebody instead of the id

local digests = {}

local function digest(id)
    digests[id] = digests[id] or sub(sha1(seed .. ':' .. id), 1, 16)

    return digests[id]
end


-- The arguments of XADD for a new event, and how it was credited

local NOBODY = { referrer = '', code = '', click = '', segment = '',
                 channel = '', variant = '', device = '', country = '' }

local function entry(e, position)
    local at = tonumber(e[AT])
    local touch, via, self, known = nil, 'none', 0, 0
    local who, friend, signals = '', '', ''
    local referrer, referrer_who, state, click_at = '', '', '', ''
    local first, first_at, last_code, last_at = '', '', '', ''

    if e[CUSTOMER] ~= '' then
        local customer = person(e[CUSTOMER])

        number(e[CUSTOMER])
        friend = decimal(customer.n)
        who = digest(e[CUSTOMER])

        if e[NEW] == '0'
           or ask('SISMEMBER', KEYS[e[KNOWN_KEY]], e[KNOWN_FIELD]) == 1
        then
            known = 1
        end

        touch, via, self = credit(e, customer, at)

        if touch then
            touch.number = touch.number or number(touch.referrer)
            referrer = decimal(touch.number)
            state = 'absent'

            -- of who is forgotten there is no id

            if touch.referrer then
                referrer_who = digest(touch.referrer)
                state = about(touch.referrer).state
            end

            click_at = touch.bound and '' or decimal(touch.at)
            bind(customer, touch, via, at)
        end

        local own = touch

        if via == 'bound' then
            own = credit(e, customer, at, true)
        end

        signals = touch and signs(e, touch, own, customer, at) or ''

        first, first_at, last_code, last_at = touches(e, own)
    end

    local of = touch or NOBODY

    return { 'XADD', KEYS[2], decimal(position) .. '-0',
             'type', e[TYPE], 'event', e[ID], 'who', who,
             'time', decimal(time), 'at', e[AT], 'given', e[GIVEN],
             'trust', e[TRUST], 'friend', friend, 'order', e[ORDER],
             'amount', e[AMOUNT], 'unit', e[UNIT], 'refunded', e[REFUNDED],
             'quantity', e[QUANTITY], 'product', e[PRODUCT],
             'role', e[ROLE], 'parties', parties(e), 'segment', e[SEGMENT],
             'order_at', e[ORDER_AT], 'new', e[NEW], 'via', via,
             'referrer', referrer, 'referrer_who', referrer_who,
             'code', of.code, 'click', of.click, 'click_at', click_at,
             'referrer_segment', of.segment, 'referrer_state', state,
             'program_state', program_state,
             'known', known, 'self', self, 'first', first,
             'first_at', first_at, 'last', last_code, 'last_at', last_at,
             'channel', of.channel, 'variant', of.variant,
             'device', of.device, 'country', of.country,
             'place', e[PLACE], 'city', e[CITY], 'x', e[EXTRA],
             'signals', signals, 'fp', e[PRINT] },
           VIA[via] + 8 * known + 16 * self
end


-- how the entry of an event was credited that was there before

local function credited(position, event)
    local id = decimal(position) .. '-0'
    local reply = ask('XRANGE', KEYS[2], id, id) or {}
    local fields = reply[1] and reply[1][2] or {}
    local has = {}

    for i = 1, #fields, 2 do
        has[fields[i]] = fields[i + 1]
    end

    if has.event ~= event then
        return GONE
    end

    return (VIA[has.via] or 0) + 8 * (tonumber(has.known) or 0)
           + 16 * (tonumber(has.self) or 0)
end


-- An event as a form, for who has to find out why an id came twice

local function encode(c)
    return format('%%%02X', byte(c))
end


local function form(e)
    local list = {}
    local words = { 'type', e[TYPE], 'event_id', e[ID],
                    'customer', e[CUSTOMER], 'order_id', e[ORDER],
                    'click_id', e[CLICK], 'code', e[CODE],
                    'amount', e[AMOUNT], 'currency', e[UNIT],
                    'total_refunded', e[REFUNDED],
                    'quantity', e[QUANTITY], 'product', e[PRODUCT],
                    'role', e[ROLE], 'parties', e[PARTIES],
                    'segment', e[SEGMENT], 'at', e[AT],
                    'order_at', e[ORDER_AT], 'new', e[NEW],
                    'country', e[PLACE], 'city', e[CITY] }

    for i = 1, #words, 2 do
        if words[i + 1] ~= '' then
            list[#list + 1] = words[i] .. '=' .. gsub(words[i + 1],
                                                      '[^%w._~-]', encode)
        end
    end

    if e[EXTRA] ~= '' then
        list[#list + 1] = 'x.' .. gsub(e[EXTRA], '&', '&x.')
    end

    return concat(list, '&')
end


-- Was an event with the same meaning the last one that was rejected for this id?
-- A sender that goes on sending it must not push others out.

local last_reject = {}

local function told(key, field, print)
    local before = last_reject[field]

    if not before then
        local id = ask('HGET', key, field .. '!')
        local reply = id and find(id, '^%d+%-%d+$')
                      and ask('XRANGE', KEYS[5], id, id) or {}
        local fields = reply[1] and reply[1][2] or {}

        for i = 1, #fields, 2 do
            if fields[i] == 'fp' then
                before = fields[i + 1]
            end
        end
    end

    last_reject[field] = print

    return before == print
end


-- each event up to one that waits, and what is to be written for it

local entries, ids, rejects = {}, {}, {}
local reply = { 1, found, 0 }
local seen = {}

for i = 1, #work, FIELDS do
    local e = { unpack(work, i, i + FIELDS - 1) }
    local key, field = KEYS[e[ID_KEY]], e[ID_FIELD]
    local before = seen[field]

    if not before then
        local value = ask('HGET', key, field)

        if value then
            local n, print = match(value, '^(%d+) (%x+)$')

            n = whole(n) or bad('ID is malformed in ' .. key) or 0

            if n > last then
                bad('STREAM ends at entry ' .. decimal(last) ..
                    ', though it had entry ' .. decimal(n) .. ': ' .. KEYS[2])
            end

            before = { n = n, print = print }
            seen[field] = before
        end
    end

    if not before and waits(e) then
        reply[1], reply[3] = 2, i > 1 and tonumber(e[SEQ]) - 1 or expected
        break
    end

    local kind, n, how

    if not before then
        last = last + 1
        kind, n = 0, last
        entries[#entries + 1], how = entry(e, n)
        ids[#ids + 1] = { key, field, decimal(n) .. ' ' .. e[PRINT] }
        seen[field] = { n = n, print = e[PRINT], how = how }

    else
        n = before.n
        how = before.how or credited(n, e[ID])
        before.how = how
        kind = before.print == e[PRINT] and 1 or 2

        if kind == 2 and not told(key, field, e[PRINT]) then
            rejects[#rejects + 1] = { key, field, 'why', 'id_reused',
                                      'event', e[ID], 'position', decimal(n),
                                      'fp', e[PRINT], 'fp_before',
                                      before.print, 'text', form(e) }
        end
    end

    local size = #reply

    reply[size + 1], reply[size + 2], reply[size + 3] = kind, n, how
end

if last > EXACT or newest > EXACT then
    bad('STREAM has no numbers left in ' .. KEYS[2])
end

-- an id of "*" is above the last one, if there is any above it

if #rejects > 0 and call('EXISTS', KEYS[5]) == 1 then
    local info = ask('XINFO', 'STREAM', KEYS[5]) or {}

    for i = 1, #info, 2 do
        if info[i] == 'last-generated-id'
           and not whole(match(info[i + 1], '^(%d+)%-'))
        then
            bad('STREAM its last id is no time in ' .. KEYS[5])
        end
    end
end


-- May the user do all of it?  Redis 6 cannot be asked: there a command that
-- does nothing is tried, and what is not allowed, or not possible now, says
-- so.

local needs = { { 'HSET', KEYS[1] } }

local function need(command, key)
    needs[#needs + 1] = { command, key }
end

if #entries > 0 then
    need('XADD', KEYS[2])
    need('HSET', KEYS[3])
    need('HSET', KEYS[4])

    if make_seed then
        need('SET', KEYS[6])
    end
end

for i = 1, #ids do
    need('HSET', ids[i][1])
end

for i = 1, #claims do
    need('HSET', claims[i].key)
    need('PTTL', claims[i].key)
    need('EXPIREAT', claims[i].key)
end

for i = 1, #rejects do
    need('HSET', rejects[i][1])
end

if #rejects > 0 then
    need('XADD', KEYS[5])
    need('XTRIM', KEYS[5])
    need('EXPIREAT', KEYS[5])
end

local may = redis.acl_check_cmd
local arguments = {
    HSET = { 'f', 'v' }, XADD = { '*', 'f', 'v' }, SET = { 'v' }, PTTL = {},
    EXPIREAT = { '1' }, XTRIM = { 'MAXLEN', '1' }
}
local nothing = {
    HSET = { 'f', 'v', 'f' }, XADD = { '0-0', 'f', 'v' },
    SET = { 'v', 'NX', 'XX' }
}
local answers = {
    HSET = 'wrong number of arguments', XADD = 'must be greater than 0',
    SET = 'syntax error'
}

for i = 1, wrong and 0 or #needs do
    local command, key = unpack(needs[i])

    if may then
        if not may(command, key, unpack(arguments[command])) then
            bad('NOPERM the user may not run "' .. command .. '" on ' .. key)
        end

    elseif nothing[command] then
        local err = try(command, key, unpack(nothing[command])).err

        if not find(err, answers[command], 1, true) then
            bad(err .. ' in ' .. key)
        end
    end
end

if wrong then
    return redis.error_reply(wrong)
end

if reply[1] == 2 then
    if reply[3] == expected then
        return reply
    end

    mark = reply[3]
end


-- nothing below raises, but for a state of the server that the first write
-- meets

call('HSET', KEYS[1], ARGV[1], decimal(mark))

if make_seed and #entries > 0 then
    call('SET', KEYS[6], seed)
end

for i = 1, #entries do
    call(unpack(entries[i]))
end

for i = 1, #ids do
    call('HSET', unpack(ids[i]))
end

for i = 1, #changed do
    local one = changed[i]
    local value = decimal(one.n)

    if one.referrer then
        value = concat({ value, decimal(one.referrer), one.code,
                         decimal(one.at), one.via }, ' ')
    end

    call('HSET', KEYS[3], one.id, value)

    if one.new then
        call('HSET', KEYS[4], 'next', decimal(newest), decimal(one.n), one.id)
    end
end


-- a key's life only ever gets longer

local function extend(key, ends)
    local left = try('PTTL', key)

    if type(left) == 'number' and (left < 0 or now + left + 500 < ends) then
        try('EXPIREAT', key, decimal((ends - ends % 1000) / 1000))
    end
end

for i = 1, #claims do
    local one = claims[i]

    if one.ends > now then
        call('HSET', one.key, one.click, decimal(one.n))
        extend(one.key, one.ends)
    end
end

for i = 1, #rejects do
    local one = rejects[i]
    local id = call('XADD', KEYS[5], 'MAXLEN', '~', REJECTS, '*',
                    unpack(one, 3))

    call('HSET', one[1], one[2] .. '!', id)
end

if #rejects > 0 then
    try('XTRIM', KEYS[5], 'MINID', '~', decimal(now - REJECTS_LIFE * 1000))
    extend(KEYS[5], now + REJECTS_LIFE * 1000)
end

return reply

-- What a user would build instead, with lua-nginx-module and lua-resty-redis:
-- the same look-up, cookie, geo and keys as the module's.  Tuned as their
-- documentation says: bench/README.md.

local redis = require "nginx.redis"

local _M = {}

local prefix = "ref:"
local program = "shop"
local secret = "0123456789abcdef0123456789abcdef"
local window = 30 * 86400

local hmac = ngx.hmac_sha1
local b64 = ngx.encode_base64
local escape = ngx.escape_uri
local find, lower, match, sub = string.find, string.lower, string.match,
                                string.sub
local format = string.format
local random = math.random

local key = function(kind, code)
    return prefix .. kind .. ":{" .. program .. "}" .. (code or "")
end

local stats_program = key("stats")
local days_program = key("days")
local hours_program = key("hours")
local events = key("events")
local board = key("board", ":clicks")
local board_referrers = key("board", ":referrers:clicks")


function _M.connect(port, timeout)
    local r = redis:new()

    r:set_timeout(timeout or 500)

    local ok, err = r:connect("127.0.0.1", port)
    if not ok then
        return nil, err
    end

    return r
end


function _M.done(r)
    r:set_keepalive(10000, 32)
end


-- the link, its rules parsed: a table

function _M.fetch(r, code)
    local list, err = r:hgetall(key("link", ":" .. code))

    if not list or list == ngx.null or #list == 0 then
        return nil, err
    end

    local link = { rules = {} }
    local fields = r:array_to_hash(list)

    link.referrer = fields.referrer or code
    link.landing = fields.landing

    for line in (fields.rules or ""):gmatch("[^\n]+") do
        local country, url = match(line, "^country=(%S+) (%S+)$")

        if country then
            for one in country:gmatch("[^,]+") do
                link.rules[one] = url
            end
        end
    end

    return link
end


local function device_of(agent)
    if find(agent, "iPhone", 1, true) then
        return "mobile", "ios"
    end

    if find(agent, "Android", 1, true) then
        return find(agent, "Mobile", 1, true) and "mobile" or "tablet",
               "android"
    end

    if find(agent, "Windows", 1, true) then
        return "desktop", "windows"
    end

    return "desktop", "other"
end


local bots = "bot|crawl|spider|curl|wget|python|facebookexternalhit|slack"


-- decides, sets cookie and Location; what is to be recorded

function _M.click(code, link)
    local var = ngx.var
    local agent = var.http_user_agent or ""
    local now = ngx.now()

    if ngx.re.find(agent, bots, "ijo") then
        ngx.header["Location"] = link.landing
        return { code = code, class = "bot", at = now }
    end

    local country = var.geoip2_country
    local device, os = device_of(agent)
    local language = lower(match(var.http_accept_language or "", "^%a+")
                           or "en")
    local app = find(agent, " Line/", 1, true) and "line" or "browser"

    local visitor = format("%08x%08x%08x", random(0, 0xffffffff),
                           random(0, 0xffffffff), random(0, 0xffffffff))
    local ms = math.floor(now * 1000)
    local id = format("%08x-%04x-7%03x-%04x-%06x%06x",
                      math.floor(ms / 65536), ms % 65536,
                      random(0, 0xfff), random(0x8000, 0xbfff),
                      random(0, 0xffffff), random(0, 0xffffff))

    local url = country and link.rules[country] or link.landing

    url = url .. "?ref=" .. escape(code) .. "&click_id=" .. id

    local value = "1." .. program .. "." .. visitor .. "." .. code .. "."
                  .. ms .. "." .. id

    ngx.header["Set-Cookie"] = "ref_shop=" .. b64(value) .. "."
        .. b64(sub(hmac(secret, value), 1, 16)) .. "; Path=/; Max-Age="
        .. window .. "; SameSite=Lax; HttpOnly"
    ngx.header["Cache-Control"] = "no-store"
    ngx.header["Location"] = url

    return { code = code, class = "human", at = now, id = id,
             visitor = visitor, country = country or "-", device = device,
             os = os, app = app, lang = language, referrer = link.referrer,
             address = var.remote_addr .. agent }
end


local function add(sums, k, field, n)
    local hash = sums[k]

    if not hash then
        hash = {}
        sums[k] = hash
    end

    hash[field] = (hash[field] or 0) + (n or 1)
end


-- Adds up what can be added up and sends the rest as it is: one pipeline.

function _M.record(r, clicks, first, last)
    local hashes, sets = {}, {}
    local second, day, hour, minute

    r:init_pipeline()

    for i = first, last do
        local c = clicks[i]
        local stats = stats_program .. ":" .. c.code

        if second ~= math.floor(c.at) then
            second = math.floor(c.at)
            day = os.date("!%Y-%m-%d", second)
            hour = day .. os.date("!T%H", second)
            minute = key("clicks", ":" .. day .. os.date("!T%H:%M", second))
        end

        local keys = { stats_program, stats,
                       key("day", ":" .. day) }

        for j = 1, 3 do
            local k = keys[j]

            add(hashes, k, "raw")

            if c.class == "human" then
                add(hashes, k, "clicks")
                add(hashes, k, "visitors")
                add(hashes, k, "country:" .. c.country)
                add(hashes, k, "device:" .. c.device)
                add(hashes, k, "os:" .. c.os)
                add(hashes, k, "app:" .. c.app)
                add(hashes, k, "lang:" .. c.lang)
            else
                add(hashes, k, c.class)
            end
        end

        if c.class == "human" then
            add(hashes, days_program, day)
            add(hashes, days_program .. ":" .. c.code, day)
            add(hashes, hours_program, hour)

            add(sets, board, c.code)
            add(sets, board .. ":" .. day, c.code)
            add(sets, board_referrers, c.referrer)
            add(sets, board_referrers .. ":" .. sub(day, 1, 7), c.referrer)

            r:pfadd(key("visitors", ":day:" .. day), c.visitor)
            r:pfadd(key("addresses", ":day:" .. day), c.address)
            r:hset(minute, c.id, c.code .. " " .. c.visitor .. " " .. c.at
                   .. " - - - " .. c.country .. " - - " .. c.device)
            r:expire(minute, window)
        end

        r:xadd(events, "MAXLEN", "~", 1000000, "*", "type", "click",
               "click_id", c.id or "", "code", c.code, "referrer",
               c.referrer or "", "class", c.class, "result", "landing",
               "first", c.code, "visitor", c.visitor or "", "country",
               c.country or "", "region", "", "city", "", "lang",
               c.lang or "", "device", c.device or "", "os", c.os or "",
               "app", c.app or "", "source", "", "channel", "", "segment",
               "", "variant", "", "landing_host", "shop.example.com", "at",
               c.at)
    end

    for k, fields in pairs(hashes) do
        for field, count in pairs(fields) do
            r:hincrby(k, field, count)
        end
    end

    for k, members in pairs(sets) do
        for member, count in pairs(members) do
            r:zincrby(k, count, member)
        end
    end

    return r:commit_pipeline()
end


return _M

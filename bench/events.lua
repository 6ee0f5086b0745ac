-- wrk's side of scripts/bench --program: signed sales, each of another order,
-- or leads, one in a body or an array of them.
--
--     wrk … -s events.lua URL -- SECRET PREFIX LINKS BATCH PAUSE WHOSE HOW_MANY
--         TYPE
--
-- SECRET: the 32 bytes of the key.  PREFIX: what ids begin with, another for
-- each run.  PAUSE: as in clicks.lua.  WHOSE: PREFIX of the run that had the
-- same customers, and HOW_MANY of them; this run's PREFIX: all are new.  When
-- each has an event, the run is over.  TYPE: "sale" or "lead".

local ffi = require "ffi"

ffi.cdef [[
    const void *EVP_sha256(void);
    unsigned char *HMAC(const void *md, const void *key, int key_len,
        const unsigned char *d, size_t n, unsigned char *out,
        unsigned int *out_len);
    int EVP_EncodeBlock(unsigned char *to, const unsigned char *from, int n);
]]

local crypto = ffi.load("libcrypto.so.3")
local mac = ffi.new("unsigned char[32]")
local text = ffi.new("unsigned char[64]")

local secret, prefix, links, batch, whose, customers, event, last
local n = 0

function init(args)
    secret, prefix = args[1], args[2]
    links, batch = tonumber(args[3]), tonumber(args[4])
    whose, customers = args[6], tonumber(args[7])

    event = args[8] == "lead" and lead or sale

    local pause = tonumber(args[5])

    if pause > 0 then
        function delay()
            return math.random(0, 2 * pause)
        end
    end
end

function lead()
    return string.format('{"type":"lead","event_id":"%s-%d-joined",'
        .. '"customer":"%s-c%d","code":"c%d"}', prefix, n, whose,
        n % customers, n % links)
end

function sale()
    return string.format('{"type":"sale","event_id":"%s-%d-paid",'
        .. '"customer":"%s-c%d","order_id":"%s-%d","amount":4990,'
        .. '"currency":"EUR","code":"c%d"}', prefix, n, whose, n % customers,
        prefix, n, n % links)
end

local function one()
    n = n + 1

    return event()
end

local function body()
    if batch == 1 then
        return one()
    end

    local some = {}

    for i = 1, batch do
        some[i] = one()
    end

    return "[" .. table.concat(some, ",") .. "]"
end

function request()
    if n + batch > customers then
        wrk.thread:stop()
        return last
    end

    local b, now = body(), os.time()
    local id = "msg_" .. prefix .. n
    local signed = id .. "." .. now .. "." .. b

    crypto.HMAC(crypto.EVP_sha256(), secret, #secret, signed, #signed, mac,
                nil)
    crypto.EVP_EncodeBlock(text, mac, 32)

    last = "POST /events HTTP/1.1\r\nHost: go.example.com\r\n"
        .. "Content-Type: application/json\r\nwebhook-id: " .. id
        .. "\r\nwebhook-timestamp: " .. now .. "\r\nwebhook-signature: v1,"
        .. ffi.string(text) .. "\r\nContent-Length: " .. #b .. "\r\n\r\n" .. b

    return last
end

function done(summary, latency)
    io.write(string.format("BENCH %d %d %d %.1f %.1f\n", summary.requests,
        summary.duration, summary.errors.status + summary.errors.read
        + summary.errors.timeout + summary.errors.connect,
        latency:percentile(50), latency:percentile(99)))
end

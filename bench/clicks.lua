-- wrk's side of the benchmark: browsers from many addresses on many links,
-- without cookies, so that every click is a new visitor's.  The same for all
-- rows: what it costs is taken from none of them.
--
--     wrk … -s clicks.lua URL -- LINKS OFFSET STEP COUNTRIES PAUSE
--
-- PAUSE: between an answer and the next click of a connection, on average, in
-- ms; 0: as fast as it goes.

local agents = {
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) "
        .. "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 "
        .. "Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 "
        .. "(KHTML, like Gecko) Chrome/130.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 "
        .. "(KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) "
        .. "AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 "
        .. "Safari Line/14.9.0",
}

local languages = { "en-US,en;q=0.9", "ja-JP,ja;q=0.9,en;q=0.8", "de-DE,de" }

local links, n, step, countries
local tails = {}

function init(args)
    links = tonumber(args[1])
    n = tonumber(args[2])
    step = tonumber(args[3])
    countries = tonumber(args[4])

    local pause = tonumber(args[5])

    if pause > 0 then
        math.randomseed(n)

        function delay()
            return math.random(0, 2 * pause)
        end
    end

    -- everything but code and address, made once

    for i = 1, #agents * #languages do
        tails[i] = " HTTP/1.1\r\nHost: go.example.com\r\n"
            .. "User-Agent: " .. agents[(i - 1) % #agents + 1] .. "\r\n"
            .. "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n"
            .. "Accept-Language: " .. languages[(i - 1) % #languages + 1]
            .. "\r\nAccept-Encoding: gzip, deflate, br\r\n"
            .. "X-Forwarded-For: 127.0."
    end
end

function request()
    n = n + step

    return "GET /r/c" .. n % links .. tails[n % #tails + 1]
        .. (n + math.floor(n / links)) % countries + 1 .. "." .. n % 250 + 1
        .. "\r\n\r\n"
end

function done(summary, latency)
    io.write(string.format("BENCH %d %d %d %.1f %.1f\n", summary.requests,
        summary.duration, summary.errors.status + summary.errors.read
        + summary.errors.timeout + summary.errors.connect,
        latency:percentile(50), latency:percentile(99)))
end

"""The rows of the table: one nginx configuration each."""

from .servers import ROOT

MODULE = ROOT / "build" / "ngx_http_referral_module.so"
MODULES = "/usr/share/nginx/modules"

LANDING = "https://shop.example.com/welcome"

COMMON = """
{load}
worker_processes {workers};
daemon off;
master_process on;
worker_rlimit_nofile 8192;
pid nginx.pid;
error_log error.log warn;

events {{
    worker_connections 4096;
}}

http {{
    access_log off;
    client_body_temp_path temp;
    proxy_temp_path temp;
    fastcgi_temp_path temp;
    uwsgi_temp_path temp;
    scgi_temp_path temp;
    keepalive_requests 1000000000;
    set_real_ip_from 127.0.0.1;
    real_ip_header X-Forwarded-For;
{http}

    server {{
        listen 127.0.0.1:{port} backlog=4096;
        server_name go.example.com;

{server}
    }}
}}
"""

LUA = f"""load_module {MODULES}/ndk_http_module.so;
load_module {MODULES}/ngx_http_lua_module.so;
load_module {MODULES}/ngx_http_geoip2_module.so;"""

LUA_HTTP = """
    geoip2 {geo}/city.mmdb {{
        $geoip2_country country iso_code;
    }}

    lua_package_path "{bench}/?.lua;;";
    lua_shared_dict links 64m;
    lua_socket_log_errors off;
"""


def limit(**o):
    return "", "", f"""        location /r/ {{
            return 302 {LANDING};
        }}"""


def logged(**o):
    load, http, server = limit(**o)

    return load, "    access_log access.log combined buffer=64k;", server


def module(journal="", zone="64m", **o):
    return (f"load_module {MODULE};", f"""
    referral_redis 127.0.0.1:{o['redis']};
    referral_zone {zone};
    referral_journal {o['directory']}/journal max=2g {journal};
    referral_geoip {o['geo']}/city.mmdb;""", f"""
        referral_landing {LANDING};
        referral_allow *.example.com;

        location /r/ {{
            referral shop;
        }}

        location = /metrics {{
            referral_metrics;
        }}""")


def program(module, keys, **o):
    """Clicks by any build of the module; events, if it has keys for them."""

    load, http, server = CONFIGS["module"](zone="16m", **o)

    load = f"load_module {module};"
    server += """

        referral_cookie ref domain=example.com;"""

    if keys:
        http += f"\n    referral_convert_keys {keys};"
        server += """

        referral_program shop;

        location /events {
            referral_convert;
        }"""

    return load, http, server


def tuned(**o):
    http = LUA_HTTP.format(**o) + """
    init_worker_by_lua_block {{
        local peer = require "peer"
        local new_table = require "table.new"

        math.randomseed(ngx.worker.pid() + ngx.now() * 1000)
        buffer, buffered = new_table(4096, 0), 0
        parsed = require("resty.lrucache").new(100000)

        local function flush()
            if buffered == 0 then
                return
            end

            local clicks, n = buffer, buffered

            buffer, buffered = new_table(4096, 0), 0

            local r = peer.connect({redis}, 5000)

            if r then
                -- pipelines of a bounded size
                for i = 1, n, 5000 do
                    peer.record(r, clicks, i, math.min(i + 4999, n))
                end
                peer.done(r)
            end
        end

        flush_now = flush
        ngx.timer.every(1, flush)
    }}
""".format(**o)

    server = """
        location /r/ {{
            content_by_lua_block {{
                local peer = require "peer"
                local code = string.sub(ngx.var.uri, 4)

                -- tables of this worker, then text that all share, then Redis

                local link = parsed:get(code)

                if not link then
                    local cjson = require "cjson.safe"
                    local text = ngx.shared.links:get(code)

                    if text then
                        link = cjson.decode(text)
                    else
                        local r = peer.connect({redis})
                        link = r and peer.fetch(r, code)
                        if r then peer.done(r) end
                        if not link then return ngx.exit(404) end
                        ngx.shared.links:set(code, cjson.encode(link), 60)
                    end

                    parsed:set(code, link, 2)
                end

                buffered = buffered + 1
                buffer[buffered] = peer.click(code, link)
                ngx.exit(302)
            }}
        }}""".format(**o)

    return LUA, http, server


def plain(**o):
    server = """
        location /r/ {{
            content_by_lua_block {{
                local peer = require "peer"
                local code = string.sub(ngx.var.uri, 4)
                local r = peer.connect({redis})

                if not r then return ngx.exit(503) end

                local link = peer.fetch(r, code)

                if not link then
                    peer.done(r)
                    return ngx.exit(404)
                end

                peer.record(r, {{ peer.click(code, link) }}, 1, 1)
                peer.done(r)
                ngx.exit(302)
            }}
        }}""".format(**o)

    return LUA, LUA_HTTP.format(**o), server


CONFIGS = {"limit": limit, "logged": logged, "module": module,
           "program": program, "tuned": tuned, "plain": plain}


def text(config, port, workers, **o):
    load, http, server = CONFIGS[config](**o)

    return COMMON.format(load=load, http=http, server=server, port=port,
                         workers=workers)

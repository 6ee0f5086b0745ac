# protects: the distribution's lua, nchan, geoip2, headers-more, njs and
# brotli, which work beside this module as they do alone, and it beside them,
# whichever is loaded first

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;

plan(skip_all => 'the modules are made for the nginx of the distribution')
    if $ENV{TEST_NGINX_BINARY};

my ($path) = `/usr/sbin/nginx -V 2>&1` =~ /--modules-path=(\S+)/;

# what it takes to load each, and to use it: lines of http and server, and
# what is asked afterwards

my %neighbour = (

    lua => {
        load => [ qw(ndk_http_module ngx_http_lua_module) ],

        # the distribution's modules for lua, whichever version it has

        http => 'lua_package_path "/usr/share/lua/5.1/?.lua;;";',
        server => <<'END',
            location = /lua {
                content_by_lua_block {
                    local redis = require "nginx.redis"
                    local red = redis:new()

                    red:set_timeout(3000)
                    assert(red:connect("127.0.0.1", %%REDIS_PORT%%))

                    ngx.say(red:incr("lua"), " ", ngx.var.referral_device)
                    red:set_keepalive(10000, 4)
                }
            }

            location /lua/ {
                access_by_lua_block {
                    if ngx.var.arg_deny then
                        return ngx.exit(ngx.HTTP_FORBIDDEN)
                    end
                }

                header_filter_by_lua_block {
                    ngx.header["X-Result"] = ngx.var.referral_result
                }

                referral shop;
            }

            location /exec/ {
                content_by_lua_block {
                    return ngx.exec("/r/" .. ngx.var.arg_code)
                }
            }

            location = /capture {
                content_by_lua_block {
                    ngx.say(ngx.location.capture("/r/one").status)
                }
            }
END
        check => sub {
            my ($t, $n) = @_;

            # the second by the same connection to Redis

            $t->redis('SET', 'lua', $n);
            is($t->get('/lua')->body, $n + 1 . " desktop\n", 'lua: content');
            is($t->get('/lua')->body, $n + 2 . " desktop\n", 'lua: again');

            my $r = $t->get('/lua/one');
            is($r->status, 302, 'lua: access granted');
            is($r->header('X-Result'), 'landing', 'lua: header filter');

            is($t->get('/lua/one?deny=1')->status, 403, 'lua: access denied');
            is($t->get('/exec/?code=one')->location,
               'https://shop.example.com/', 'lua: exec is a click');
            is($t->get('/capture')->body, "404\n", 'lua: capture is none');

            return 2;
        },
    },

    nchan => {
        load => [ 'ngx_nchan_module' ],
        http => <<'END',
            upstream pubsub {
                nchan_redis_server redis://127.0.0.1:%%REDIS_PORT%%;
            }
END
        server => <<'END',
            location = /pub {
                nchan_publisher;
                nchan_channel_id $arg_id;
                nchan_redis_pass pubsub;
            }

            location = /sub {
                nchan_subscriber longpoll;
                nchan_subscriber_first_message oldest;
                nchan_channel_id $arg_id;
                nchan_redis_pass pubsub;
            }
END
        check => sub {
            my ($t, $n) = @_;

            # its connection to Redis is made behind

            my $up = wait_for {
                my $r = $t->request('POST', "/pub?id=$n",
                                    body => "hello $n");
                return $r && $r->status =~ /^20[12]$/;
            };

            ok($up, 'nchan: published');
            is($t->get("/sub?id=$n")->body, "hello $n", 'nchan: received');
            like("@{ $t->redis('KEYS', '*channel*') }",
                 qr/channel:.*\/$n\b/, 'nchan: by way of the same redis');

            return 0;
        },
    },

    geoip2 => {
        load => [ 'ngx_http_geoip2_module' ],
        http => <<'END',
            geoip2 %%GEO%%/city.mmdb {
                $geoip2_country source=$remote_addr country iso_code;
            }
END
        server => <<'END',
            location = /geoip2 {
                return 200 "$geoip2_country $referral_country";
            }
END
        check => sub {
            my ($t) = @_;

            is($t->get('/geoip2', from => '127.0.1.1')->body, 'JP JP',
               'geoip2: both know');
            is($t->get('/geoip2', from => '127.0.2.1')->body, 'BR BR',
               'geoip2: and agree');

            return 0;
        },
    },

    more => {
        load => [ 'ngx_http_headers_more_filter_module' ],
        server => <<'END',
            location /more/ {
                more_set_headers "X-More: $referral_code";
                more_set_headers "X-Country: $referral_country";
                more_clear_headers Set-Cookie;
                referral shop;
            }

            location /machine/ {
                more_set_input_headers "User-Agent: Googlebot/2.1";
                referral shop;
            }

            location /stripped/ {
                more_clear_input_headers User-Agent Cookie;
                referral shop;
            }
END
        check => sub {
            my ($t) = @_;

            my $r = $t->get('/more/one', from => '127.0.1.1');
            is($r->status, 302, 'headers-more: a click');
            is($r->header('X-More'), 'one', 'headers-more: sets on it');
            is($r->header('X-Country'), 'JP', 'headers-more: and');
            is($r->set_cookie, undef, 'headers-more: clears');

            is($t->get('/machine/one')->set_cookie, undef,
               'headers-more: a User-Agent that it sets is seen');
            is($t->get('/stripped/one')->set_cookie, undef,
               'headers-more: one that it takes away is not');

            return 1;
        },
    },

    njs => {
        load => [ 'ngx_http_js_module' ],
        http => 'js_path %%DIR%%; js_import shop from shop.js;'
                . 'js_set $js_shout shop.shout;',
        server => <<'END',
            location = /js {
                js_content shop.content;
            }

            location /js/ {
                add_header X-Shout $js_shout;
                referral shop;
            }
END
        check => sub {
            my ($t) = @_;

            is($t->get('/js')->body, 'js desktop', 'njs: content');
            is($t->get('/js/one')->header('X-Shout'), 'ONE!',
               'njs: a variable made of ours');

            return 1;
        },
    },

    brotli => {
        load => [ 'ngx_http_brotli_filter_module' ],
        server => <<'END',
            location = /page.html {
                brotli on;
                brotli_min_length 20;
                brotli_types text/html;
                add_header X-Code "[$referral_code]";
                try_files /long.html =404;
            }

            location /brotli/ {
                brotli on;
                brotli_min_length 0;
                brotli_types *;
                referral shop;
            }
END
        check => sub {
            my ($t) = @_;

            my @br = (headers => [ 'Accept-Encoding' => 'br' ]);

            is($t->get('/page.html', @br)->header('Content-Encoding'), 'br',
               'brotli: a page');

            my $r = $t->get('/brotli/one', @br);
            is($r->header('Content-Encoding'), undef,
               'brotli: not of a click');
            is($r->header('Content-Length'), 0, 'brotli: which is empty');

            return 1;
        },
    },
);

for my $name (sort keys %neighbour) {
    for my $file (@{ $neighbour{$name}{load} }) {
        -e "$path/$file.so" or delete $neighbour{$name};
    }

    next if $neighbour{$name};

    diag("$name is not installed: not tested");
}

my $t = Referral->new;
my $clicks = 0;
my $runs = 0;

$t->link('shop', 'one', referrer => 'aiko');
$t->write_file('html/long.html', "a long page\n" x 100);
$t->write_file('shop.js', <<'END');
function content(r) { r.return(200, "js " + r.variables.referral_device); }
function shout(r) { return r.variables.referral_code.toUpperCase() + "!"; }
export default { content, shout };
END


# one nginx with these modules, in this order; "ours" is this one

sub works {
    my (@order) = @_;

    my @names = grep { $_ ne 'ours' } @order;

    return 1 if grep { !$neighbour{$_} } @names;

    my $part = sub {
        my ($level) = @_;
        return join "\n", map { $neighbour{$_}{$level} // '' } @names;
    };

    my @load = map { $_ eq 'ours' ? 'load_module %%MODULE%%;'
                         : map { "load_module $path/$_.so;" }
                               @{ $neighbour{$_}{load} } } @order;

    subtest join(' ', @order) => sub {
        $t->config(load => join("\n", @load), log => 'info',
                   http => "referral_geoip %%GEO%%/city.mmdb;\n"
                           . $part->('http'),
                   server => <<'END' . $part->('server'));
            referral_program shop;
            referral_landing https://shop.example.com/;
            referral_landing_args off;

            location /r/ {
                referral shop;
            }
END
        $t->start;
        $runs++;

        my $r = $t->get('/r/one', from => '127.0.1.1');
        is($r->location, 'https://shop.example.com/', 'a click');
        ok($r->set_cookie('ref_shop'), 'with its cookie');
        $clicks++;

        $clicks += $neighbour{$_}{check}->($t, $runs) for @names;

        # Debian's nchan that has spoken with a Redis: its new workers end
        # with signal 11, also where it is alone

        if (!grep { $_ eq 'nchan' } @names) {
            $t->reload;
            is($t->get('/r/one')->status, 302, 'and after a reload');
            $clicks++;
        }

        $t->stop;

        # the last batch goes out before a worker ends

        is($t->hgetall('ref:stats:{shop}')->{clicks}, $clicks,
           'all clicks are counted');
    };
}


# who brings a hiredis of his own, who runs code of others in every phase,
# and we, in every order

my @rest = qw(geoip2 more njs brotli);

works(@$_, @rest)
    for [ qw(nchan lua ours) ], [ qw(nchan ours lua) ], [ qw(lua nchan ours) ],
        [ qw(lua ours nchan) ], [ qw(ours nchan lua) ], [ qw(ours lua nchan) ];

# every pair of all of them, in both orders

works(reverse @rest, qw(ours lua nchan));
works(reverse(@rest), qw(nchan ours lua));

# each alone with us

for my $name (sort keys %neighbour) {
    works($name, 'ours');
    works('ours', $name);
}

is($t->redis('EXISTS', 'ref:errors:{shop}'), 0, 'nothing was set aside');

done_testing;

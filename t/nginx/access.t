# protects: access control of nginx before a short link: a client that is
# rejected makes no click, one that is admitted makes one

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;

my $t = Referral->new;

$t->config(
    http => <<'END',
        limit_req_zone $binary_remote_addr zone=few:1m rate=1r/m;
        limit_req_zone $binary_remote_addr zone=slow:1m rate=10r/s;
        limit_req_zone $referral_code zone=bycode:1m rate=1r/m;
        limit_req_zone $referral_device zone=bydevice:1m rate=1r/m;
        limit_conn_zone $server_name zone=one:1m;

        map $http_x_code $verdict {
            default 204;
            secret  403;
        }
END
    server => <<'END',
        referral_landing https://shop.example.com/;
        referral_landing_args off;
        referral_cookie off;
        referral_program shop;

        location /r/ {
            referral;
        }

        location /few/ {
            limit_req zone=few burst=1 nodelay;
            limit_req_status 429;
            referral;
        }

        location /slow/ {
            limit_req zone=slow burst=10;
            referral;
        }

        location /bycode/ {
            limit_req zone=bycode;
            referral;
        }

        location /bydevice/ {
            limit_req zone=bydevice;
            referral;
        }

        location /conn/ {
            limit_conn one 1;
            referral;
        }

        # who decides sees what the click will be

        location = /verdict {
            internal;
            proxy_pass http://127.0.0.1:%%PORT%%/judge;
            proxy_pass_request_body off;
            proxy_set_header X-Code $referral_code;
            proxy_set_header X-Program $referral_program;
        }

        location = /judge {
            add_header X-Seen "$http_x_program/$http_x_code" always;
            if ($verdict = 403) {
                return 403;
            }
            return 204;
        }

        location /auth/ {
            auth_request /verdict;
            auth_request_set $seen $upstream_http_x_seen;
            add_header X-Seen $seen always;
            referral;
        }

        # the page that is asked looks a link up itself

        location = /members {
            internal;
            referral_resolve on;
            proxy_pass http://127.0.0.1:%%PORT%%/judge;
            proxy_set_header X-Code $referral_code;
        }

        location /auth-resolve/ {
            auth_request /members;
            referral;
        }

        location = /page.html {
            auth_request /verdict;
            referral_resolve on;
            add_header X-Referrer $referral_referrer;
            try_files /page.html =404;
        }

        location /denied/ {
            deny all;
            referral;
        }

        location /some/ {
            allow 127.0.1.0/24;
            deny all;
            error_page 403 = @elsewhere;
            referral;
        }

        location @elsewhere {
            return 200 "elsewhere $referral_code $referral_result.";
        }

        location /any/ {
            satisfy any;
            allow 127.0.1.0/24;
            deny all;
            auth_basic shop;
            auth_basic_user_file %%DIR%%/htpasswd;
            referral;
        }

        location /all/ {
            satisfy all;
            allow 127.0.1.0/24;
            deny all;
            auth_basic shop;
            auth_basic_user_file %%DIR%%/htpasswd;
            referral;
        }

        # only for those whom nginx itself sends here

        location /inside/ {
            internal;
            referral;
        }

        location /app/ {
            proxy_pass http://127.0.0.1:%%PORT%%/app-says/;
        }

        location /app-says/ {
            add_header X-Accel-Redirect /inside/$arg_code;
            return 200;
        }

        location /from/ {
            valid_referers none server_names *.example.com;
            if ($invalid_referer) {
                return 403;
            }
            referral;
        }

        location /read-only/ {
            limit_except GET {
                deny all;
            }
            referral;
        }

        location /but-post/ {
            limit_except POST {
                allow 127.0.0.1;
                deny all;
            }
            referral;
        }

        location /numbers/ {
            limit_except POST {
                allow 127.0.0.1;
                deny all;
            }
            referral_metrics;
        }

        location /if/ {
            if ($arg_gone) {
                return 410;
            }
            if ($arg_seen) {
                add_header X-Seen $referral_code;
            }
            referral;
        }
END
);

my (%want, %made);


# a link of its own for each case, so that the counts tell them apart

sub code {
    my ($code) = @_;

    $t->link('shop', $code, referrer => "of_$code") unless $made{$code}++;

    return $code;
}


sub click {
    my ($prefix, $code, $what, @o) = @_;

    my $r = $t->get($prefix . code($code), @o);

    $what //= $prefix;
    is($r->status, 302, "$what: a click") or diag($r->head);
    $want{$code}++;

    return $r;
}


sub turned_away {
    my ($prefix, $code, $status, $what, @o) = @_;

    code($code =~ s/\?.*//r);

    my $r = $t->get($prefix . $code, @o);

    is($r->status, $status, "$what: turned away");
    is($r->location, undef, "$what: nowhere");

    return $r;
}


$t->write_file('htpasswd', "shop:{PLAIN}open\n");
$t->write_file('html/page.html', "page\n");
$t->start;

my @basic = (headers => [ Authorization => 'Basic c2hvcDpvcGVu' ]);
my @tokyo = (from => '127.0.1.1');

# limit_req

click('/few/', 'few', 'limit_req') for 1 .. 2;
turned_away('/few/', 'few', 429, 'limit_req') for 1 .. 3;

click('/slow/', 'slow', 'limit_req with a delay') for 1 .. 4;

click('/bycode/', 'bycode1', 'limit_req by code');
turned_away('/bycode/', 'bycode1', 503, 'limit_req by code');
click('/bycode/', 'bycode2', 'limit_req by code, another');

click('/bydevice/', 'bydevice', 'limit_req by device');
turned_away('/bydevice/', 'bydevice', 503, 'limit_req by device');
click('/bydevice/', 'bydevice', 'limit_req by device, another',
      ua => 'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) '
            . 'AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 '
            . 'Mobile/15E148 Safari/604.1');

# limit_conn: the first waits for Redis

code($_) for qw(conn1 conn2);
$t->redis_pause;

my $waits = $t->connect;
print $waits $t->request_text('GET', '/conn/conn1');
wait_for { $t->log =~ /referral click: .*"conn1"/ };

turned_away('/conn/', 'conn2', 503, 'limit_conn, while another waits');

$t->redis_continue;

is($t->exchange($waits, '', timeout => 10)->status, 302,
   'limit_conn: who waited is a click');
click('/conn/', 'conn1', 'limit_conn: afterwards');
$want{conn1}++;

# auth_request

my $r = click('/auth/', 'open', 'auth_request');
is($r->header('X-Seen'), 'shop/open', 'auth_request: its answer is known');

$r = turned_away('/auth/', 'secret', 403, 'auth_request');
is($r->header('X-Seen'), 'shop/secret', 'auth_request: it knew the code');

click('/auth-resolve/', 'open', 'auth_request to a page that looks up');
turned_away('/auth-resolve/', 'secret', 403,
            'auth_request to a page that looks up');

is($t->get('/page.html')->header('X-Referrer') // '', '',
   'auth_request before a page that looks up');

# access, auth_basic, satisfy

turned_away('/denied/', 'denied', 403, 'deny');
click('/some/', 'some', 'allow', @tokyo);
is($t->get('/some/some')->body, 'elsewhere  .',
   'deny with error_page: to a page like any other');

turned_away('/any/', 'any', 401, 'satisfy any');
click('/any/', 'any', 'satisfy any, by address', @tokyo);
click('/any/', 'any', 'satisfy any, by password', @basic);

turned_away('/all/', 'all', 403, 'satisfy all, without address', @basic);
turned_away('/all/', 'all', 401, 'satisfy all, without password', @tokyo);
click('/all/', 'all', 'satisfy all', @tokyo, @basic);

# internal

turned_away('/inside/', 'inside', 404, 'internal');
click('/app/?code=', 'inside', 'internal, by X-Accel-Redirect');

# limit_except, if

code('read_only');
is($t->request('POST', '/read-only/read_only', body => 'x')->status, 403,
   'limit_except');
click('/read-only/', 'read_only', 'limit_except');
code('but_post');
click('/but-post/', 'but_post', 'a method that limit_except lets through');
is($t->get('/numbers/')->status, 200, 'as does another feature');

turned_away('/if/', 'if?gone=1', 410, 'if with return');
is(click('/if/', 'if')->header('X-Seen'), undef, 'if that does not hold');
is($t->get('/if/if?seen=1')->header('X-Seen'), 'if', 'if with a header');
$want{if}++;

# valid_referers

turned_away('/from/', 'from', 403, 'valid_referers',
            headers => [ Referer => 'https://elsewhere.example.net/' ]);
click('/from/', 'from', 'valid_referers: a good one',
      headers => [ Referer => 'https://www.example.com/x' ]);
click('/from/', 'from', 'valid_referers: none');

# every link has what it should have, and no other has anything

my $sum = 0;

$sum += $_ for values %want;

$t->stats_are('shop', { clicks => $sum, raw => $sum },
              'all clicks are counted, and nothing else');

is($t->hgetall("ref:stats:{shop}:$_")->{clicks} // 0, $want{$_} // 0,
   "as many of \"$_\" as there were")
    for sort keys %made;

done_testing;

# protects: clicks that are decided together in one turn of the event loop:
# each gets the answer that it would get alone and is counted once, and one
# whose client disconnects affects no other

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;
use Socket qw(SOL_SOCKET SO_LINGER);

my $CODES = 12;

# an application that takes a connection and says nothing

my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 200)
    or die "listen: $!";
my $silent = $listen->sockport;

my $t = Referral->new(http => 'lingering_timeout 1s;', server => <<'END' =~ s{SILENT}{$silent}r);
        referral_landing https://shop.example.com/;
        referral_landing_args "click_id={click_id}";

        location /r/ {
            referral shop;
            referral_fallback https://shop.example.com/sorry;
        }

        location /named/ {
            referral shop;
            referral_fallback @sorry;
        }

        location /inner/ {
            referral shop;
            referral_fallback /page;
        }

        location /bare/ {
            referral shop;
        }

        location /again/ {
            referral shop;
            referral_fallback /again/loop;
        }

        location /app/ {
            referral shop;
            referral_fallback @app;
        }

        location /silent/ {
            referral shop;
            referral_fallback @silent;
        }

        location @app {
            proxy_pass http://127.0.0.1:%%PORT%%;
            proxy_set_header X-Length $http_content_length;
            rewrite ^ /inside break;
        }

        location @silent {
            proxy_pass http://127.0.0.1:SILENT;
            proxy_read_timeout 300ms;
        }

        location /inside { return 200 "app $http_x_length"; }
        location @sorry { return 200 "sorry\n"; }
        location /page  { return 200 "page\n"; }
END

$t->link('shop', "c$_", referrer => "of$_",
         landing => "https://shop.example.com/l$_")
    for 1 .. $CODES;
$t->link('shop', 'off', referrer => 'x', state => 'disabled');


# what is asked, and what must come: status, and the Location or the body

my @kinds = (
    (map { my $n = $_;
           { uri => "/r/c$n", status => 302, human => 1,
             location => qr{^https://shop\.example\.com/l$n\?click_id=} } }
         1 .. $CODES),
    { uri => '/r/nobody', status => 302,
      location => qr{^https://shop\.example\.com/sorry} },
    { uri => '/r/', status => 302,
      location => qr{^https://shop\.example\.com/sorry} },
    { uri => '/r/off', status => 302, missed => 1,
      location => qr{^https://shop\.example\.com/sorry} },
    { uri => '/named/nobody', status => 200, body => qr{^sorry} },
    { uri => '/inner/nobody', status => 200, body => qr{^page} },
    { uri => '/bare/nobody', status => 404 },
    { uri => '/again/nobody', status => 404 },
    { uri => '/r/c1', status => 503, prefetch => 1,
      headers => [ 'Sec-Purpose' => 'prefetch' ] },
    { uri => '/r/c2', status => 405, method => 'POST', body_sent => 'x' },
);

my ($worker) = $t->workers;
my %count = (raw => 0, clicks => 0);


for my $round ('nothing is known yet', 'all is known') {
    my @asked = map { $kinds[$_ % @kinds] } 0 .. 5 * @kinds - 1;

    subtest "$round: " . @asked . ' in one turn' => sub {
        my @connections = map { $t->connect } @asked;

        # all are there when the worker looks

        sleep 0.2;
        kill 'STOP', $worker;

        for my $i (0 .. $#asked) {
            my $k = $asked[$i];

            syswrite $connections[$i], $t->request_text(
                $k->{method} // 'GET', $k->{uri}, headers => $k->{headers},
                body => $k->{body_sent}, keepalive => $i % 2);

            $count{raw}++ if $k->{human} || $k->{prefetch} || $k->{missed};
            $count{clicks}++ if $k->{human};
            $count{prefetch}++ if $k->{prefetch};
            $count{missed}++ if $k->{missed};
        }

        kill 'CONT', $worker;

        my (%id, @wrong);

        for my $i (0 .. $#asked) {
            my $k = $asked[$i];
            my $r = Referral::Response->read($connections[$i], timeout => 10);

            if (!$r || $r->status != $k->{status}) {
                push @wrong, "$k->{uri}: " . ($r ? $r->status : 'nothing');
                next;
            }

            push @wrong, "$k->{uri}: " . ($r->location // 'nowhere')
                if $k->{location} && ($r->location // '') !~ $k->{location};
            push @wrong, "$k->{uri}: " . $r->body
                if $k->{body} && $r->body !~ $k->{body};
            push @wrong, "$k->{uri}: a cookie"
                if !$k->{human} && $r->set_cookie;

            if ($k->{human}) {
                my ($id) = $r->location =~ /click_id=([0-9a-f-]{36})$/;

                push @wrong, "$k->{uri}: an id twice"
                    if !$id || $id{$id}++;
                push @wrong, "$k->{uri}: no cookie" if !$r->set_cookie;
            }
        }

        is("@wrong[0 .. ($#wrong > 5 ? 5 : $#wrong)]", '',
           'each has its own answer');

        $t->stats_are('shop', { %count }, 'and each is counted once');
    };
}


subtest 'on one connection, one behind the other' => sub {
    my $n = 0;

    $t->flood(100, sub {
        return $t->request_text('GET', '/r/c' . (1 + $_[0] % $CODES),
                                keepalive => 1);
    }, sub {
        my @l = $_[0] =~ m{^Location:\ https://shop\.example\.com/l(\d+)\?}gmx;

        is("@l", join(' ', map { 1 + $_ % $CODES } 0 .. 99), 'in their order');
    });

    $count{$_} += 100 for 'raw', 'clicks';
    $t->stats_are('shop', { %count }, 'each is counted');
};


subtest 'visitors who go away before the answer' => sub {
    my @connections = map { $t->connect } 1 .. 80;

    sleep 0.2;
    kill 'STOP', $worker;

    for my $i (0 .. $#connections) {
        syswrite $connections[$i],
            $t->request_text('GET', '/r/c' . (1 + $i % $CODES),
                             keepalive => 1);
    }

    # every second one resets the connection

    for my $i (grep { $_ % 2 } 0 .. $#connections) {
        setsockopt $connections[$i], SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0;
        close $connections[$i];
    }

    kill 'CONT', $worker;

    my $right = grep {
        my $r = Referral::Response->read($connections[$_], timeout => 10);
        my $n = 1 + $_ % $CODES;

        $r && $r->status == 302
        && $r->location =~ m{^https://shop\.example\.com/l$n\?}
    } grep { $_ % 2 == 0 } 0 .. $#connections;

    is($right, 40, 'the others have their answers');
    is(($t->workers)[0], $worker, 'and the worker lives');

    # who went away before the request was read did not click

    wait_for { $t->hgetall('ref:stats:{shop}')->{raw} >= $count{raw} + 40 };
    sleep 0.5;

    my $more = $t->hgetall('ref:stats:{shop}')->{raw} - $count{raw};

    ok($more >= 40 && $more <= 80, "$more of 80 are counted");
};


subtest 'a body that comes while Redis is asked' => sub {
    my ($n, @connections) = (40);

    $t->link('shop', "late$_", landing => "https://shop.example.com/l$_")
        for 1 .. $n;

    @connections = map { $t->connect } 1 .. $n;

    sleep 0.2;
    $t->redis_pause;
    kill 'STOP', $worker;

    for my $i (1 .. $n) {
        syswrite $connections[$i - 1],
            $t->request_text('GET', "/r/late$i", keepalive => 1,
                             headers => [ 'Content-Length' => 20 ]);
    }

    kill 'CONT', $worker;
    sleep 0.1;

    syswrite $_, 'x' x 20 for @connections;

    sleep 0.1;
    $t->redis_continue;

    is(scalar(grep {
        my $r = Referral::Response->read($connections[$_ - 1], timeout => 5);

        $r && $r->status == 302
        && $r->location =~ m{^https://shop\.example\.com/l$_\?}
    } 1 .. $n), $n, 'each is answered');

    sleep 1.5;

    is(scalar(grep {
        syswrite $_, $t->request_text('GET', '/r/c1', keepalive => 1);
        my $r = Referral::Response->read($_, timeout => 5);

        $r && $r->status == 302
    } @connections), $n, 'and its connection serves the next click');
};

# Once it is known that an application answers, the rest of a body is the
# application's to read: if the short link read it too, the request would end
# twice.

subtest 'half a body for an application' => sub {
    # codes of their own, so that each waits for Redis first

    for my $round (1 .. 30) {
        my @connections = map { $t->connect } 1 .. 20;

        for my $i (0 .. $#connections) {
            my $to = $i % 2 ? 'silent' : 'app';

            syswrite $connections[$i],
                $t->request_text('GET', "/$to/none-$round-$i",
                                 keepalive => $i % 3,
                                 headers => [ 'Content-Length' => 20 ],
                                 body => 'half');
        }

        sleep 0.05 * ($round % 4);

        for my $i (0 .. $#connections) {
            my $s = $connections[$i];

            syswrite $s, 'more' if $i % 5 < 2;

            setsockopt $s, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0
                if $i % 5 == 3;

            $i % 5 < 3 ? shutdown $s, 1 : close $s;
        }

        sleep 0.05 * ($round % 3);
    }

    sleep 1;

    is($t->get('/app/nobody', body => 'whole')->body, 'app 5',
       'a whole one arrives there');
    is(scalar(grep { /\[alert\]/ } split /\n/, $t->log), 0,
       'nothing is ended twice');
};

done_testing;

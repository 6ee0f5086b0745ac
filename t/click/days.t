# protects: each click counts in the hour and the day in which it happened,
# in the program's time zone and however late it reaches Redis; also when the
# clock is set by hours or days, in either direction

use strict;
use warnings;

use FindBin;
use POSIX qw(strftime);
use Time::HiRes qw(sleep);

use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Clicks;
use Referral::Clock;

use constant { MINUTE => 60, HOUR => 3600, DAY => 86400 };

my $clock = Referral::Clock->new;

sub day { strftime '%Y-%m-%d', gmtime $_[0] }
sub hour { strftime '%Y-%m-%dT%H', gmtime $_[0] }


# a few people and a few midnights, nginx and Redis on one host

{
    # the beginning of a day of UTC

    my $start = (int(time / DAY) + 3) * DAY;
    my ($day, $next, $third) = map { day($start + $_ * DAY) } 0 .. 2;

    $clock->set($start + 12 * HOUR - MINUTE);

    my $t = $clock->with(sub { Referral->new });

    $t->program('west', utc_offset => '-03:30');

    for my $program (qw(tokyo west plain)) {
        $t->link($program, $_, referrer => 'aiko') for 'a' .. 'd';
    }

    $t->config(log => 'notice', http => <<'HTTP', server => <<'END');
        referral_geoip %%GEO%%/city.mmdb;
HTTP
        referral_landing https://shop.example.com/;
        referral_landing_args "click_id={click_id}";

        location /tokyo/ {
            referral tokyo;
            referral_utc_offset +09:00;
        }

        location /west/ {
            referral west;
            referral_utc_offset +09:00;
        }

        location /plain/ {
            referral plain;
        }
END

    $clock->with(sub { $t->start });

    my $salt = sub { $t->redis('EXISTS', "ref:salt:$_[0]") };


    # salts

    ok(wait_for(sub { $salt->($day) }), "before noon: the day's salt");
    is($salt->($next), 0, 'and none for tomorrow');

    $clock->set($start + 12 * HOUR);
    $t->reload;

    ok(wait_for(sub { $salt->($next) }), "at noon: tomorrow's");
    cmp_ok($t->redis('TTL', "ref:salt:$next"), '<=', 48 * HOUR,
           'for 48 hours');
    cmp_ok($t->redis('TTL', "ref:salt:$next"), '>', 48 * HOUR - 5 * MINUTE,
           'until the day is over everywhere');


    # a midnight: of whom it is, what is before it, what after it

    my $secret = sub { $t->redis('GET', "ref:salt:$_[0]") };
    my @secrets = ($secret->($day), $secret->($next));

    for (
        [ 'tokyo', 15 * HOUR, $day, $next ],
        [ 'plain', 24 * HOUR, $day, $next ],
        [ 'west',  27.5 * HOUR, $day, $next ],
    ) {
        my ($program, $midnight, $before, $after) = @$_;

        $clock->set($start + $midnight - 30);

        my $one = $t->get("/$program/a", from => '127.0.1.1');
        my $two = $t->get("/$program/b", from => '127.0.2.1');

        $t->stats_are($program, { clicks => 2 }, "$program: before midnight");

        $clock->set($start + $midnight);

        my $three = $t->get("/$program/c", from => '127.0.1.1',
                            cookie => $one->cookie);

        $t->get("/$program/d", from => '127.0.1.1',
                cookie => $three->cookie);
        $t->get("/$program/a", from => '127.0.3.1');

        $t->stats_are($program, { clicks => 5, visitors => 3, raw => 5,
                                  no_address => 0 }, "$program: all");
        $t->fields_are("ref:day:{$program}:$before",
                       { clicks => 2, visitors => 2, raw => 2,
                         'country:JP' => 1, 'country:BR' => 1 },
                       "$program: the day before midnight");
        $t->fields_are("ref:day:{$program}:$after",
                       { clicks => 3, visitors => 2, raw => 3,
                         'country:JP' => 2, 'country:DE' => 1 },
                       "$program: and after, who came again is new to it");
        is_deeply($t->hgetall("ref:days:{$program}"),
                  { $before => 2, $after => 3 }, "$program: by day");
        is_deeply($t->hgetall("ref:days:{$program}:a"),
                  { $before => 1, $after => 1 }, "$program: of a link");

        my %hours;

        $hours{hour($start + $midnight - 30)} += 2;
        $hours{hour($start + $midnight)} += 3;

        is_deeply($t->hgetall("ref:hours:{$program}"), \%hours,
                  "$program: hours are those of UTC");

        for my $what (qw(visitors addresses)) {
            is($t->redis('PFCOUNT', "ref:$what:{$program}:day:$_"), 2,
               "$program: $what of $_") for $before, $after;
        }

        is($t->redis('ZSCORE', "ref:board:{$program}:clicks:$before", 'a'), 1,
           "$program: the board of the day before");
        is($t->redis('ZSCORE', "ref:board:{$program}:clicks:$after", 'a'), 1,
           "$program: of the day after");

        # another browser, as far as anybody can tell

        is($t->redis('PFCOUNT', "ref:addresses:{$program}:day:$before",
                     "ref:addresses:{$program}:day:$after"), 4,
           "$program: addresses are not known again the next day");
    }

    is(join(' ', $secret->($day), $secret->($next)), "@secrets",
       'salts did not change meanwhile');


    # sent the next day

    my $late = $start + 2 * DAY - 30;
    my $click;

    $clock->set($late);

    # the first waits, then everybody knows that Redis is away

    $t->redis_pause;

    for (1 .. 3) {
        $click = $t->get('/plain/d', from => '127.0.4.1');
        is($click->status, 302, 'a click while Redis is away');
    }

    $clock->set($late + 12 * HOUR + MINUTE);

    $t->get('/plain/d', from => '127.0.4.1');
    $t->redis_continue;

    $t->fields_are("ref:day:{plain}:$next", { clicks => 6 },
                   'what is sent the next day counts in its own');
    $t->fields_are("ref:day:{plain}:$third", { clicks => 1 },
                   'what comes the next day in that');
    $t->fields_are('ref:days:{plain}', { $next => 6, $third => 1 },
                   'also by day');

    my $hours = $t->hgetall('ref:hours:{plain}');

    is($hours->{hour($late)}, 3, 'in its hour');
    is($hours->{hour($late + 12 * HOUR + MINUTE)}, 1, 'and that in its own');
    is($t->redis('ZSCORE', "ref:board:{plain}:clicks:$next", 'd'), 4,
       'on the board of its day');
    is($t->redis('PFCOUNT', "ref:visitors:{plain}:day:$next"), 5,
       'among the visitors of its day');

    my $id = $click->arg('click_id');
    my $minute = strftime '%Y-%m-%dT%H:%M', gmtime $late;

    like($t->redis('HGET', "ref:clicks:{plain}:$minute", $id) // '', qr/^d /,
         'found by its id');

    my $ttl = $t->redis('TTL', "ref:clicks:{plain}:$minute");

    cmp_ok(abs($ttl - 90 * DAY + 12 * HOUR), '<', 5 * MINUTE,
           'until its window and late end, not that of the day it was sent');


    # a browser that comes back to a clock that was set

    my $seen = $t->hgetall('ref:stats:{plain}');
    my $cookie = $t->get('/plain/a', from => '127.0.5.1')->cookie;

    for (
        [ -4, 1, 0, 'by seconds: a duplicate' ],
        [ -2 * MINUTE, 0, 0, 'by minutes: the same visitor' ],
        [ -HOUR, 0, 1, 'by an hour, and the cookie is of a time to come:'
                       . ' nobody that is known' ],
        [ HOUR, 0, 0, 'an hour ahead again: the same visitor' ],
        [ 31 * DAY, 0, 1, 'the window is over' ],
    ) {
        my ($jump, $duplicate, $new, $what) = @$_;

        $clock->jump($jump);

        my $r = $t->get('/plain/a', from => '127.0.5.1', cookie => $cookie);

        is($r->set_cookie ? 0 : 1, $duplicate, "$what: a cookie or none");
        like($r->header('Set-Cookie') // 'Max-Age=1', qr/Max-Age=[1-9]/,
             "$what: that lives");

        $seen->{duplicate} += $duplicate;
        $seen->{clicks} += !$duplicate;
        $seen->{visitors} += $new;

        $clock->jump(-$jump);
    }

    $t->stats_are('plain', { duplicate => $seen->{duplicate},
                             clicks => $seen->{clicks} + 1,
                             visitors => $seen->{visitors} + 1 },
                  'who comes back to a clock that was set');


    # noon again: what is forgotten

    $clock->set($start + 2 * DAY + 12 * HOUR + MINUTE);

    is($salt->($day), 0, 'the salt of a day is forgotten');
    is($salt->($next), 0, 'at the noon after it');

    $t->finish;
}


# Clocks that are set while people click, and workers that live on.  With
# "both" Redis is on that host, too.

for (
    [ "a host's clock", 0, HOUR, -HOUR, 26 * HOUR, -26 * HOUR, 400 * DAY,
      -400 * DAY, -20 * DAY, 20 * DAY ],
    [ "a clock that is Redis's too", 1, HOUR, -HOUR, 26 * HOUR, -26 * HOUR,
      5 * DAY, -5 * DAY, -8 * DAY, 8 * DAY ],
) {
    my ($name, $both, @jumps) = @$_;

    $clock->off(0);

    my $make = sub { Referral::Clicks->instance };
    my ($t, $c) = $both ? $clock->with($make) : $make->();

    if (!$both) {
        $t->stop;
        $clock->with(sub { $t->start });
    }

    wait_for { $t->workers == 2 };

    my $workers = join ' ', sort $t->workers;

    $c->start(rate => 500, seconds => 60);
    sleep 0.5;

    for my $jump (@jumps) {
        $clock->jump($jump);
        sleep 0.6;
    }

    $c->stop;
    $c->exact("$name is set @{[ scalar @jumps ]} times", quiet => 15);

    is(join(' ', sort $t->workers), $workers, "$name: no worker ended");

    # what is about a person ends, and not later than the clock that was most
    # ahead would have it

    my $slack = ($both ? 7 : 2) * DAY;

    my %ends = ('ref:clicks' => 90, 'ref:visitors' => 400,
                'ref:addresses' => 400, 'ref:events' => 90, 'ref:salt' => 2);

    for my $key (sort @{ $t->redis('KEYS', 'ref:*') }) {
        my $ttl = $t->redis('TTL', $key);
        my ($kind) = $key =~ /^(ref:[a-z]+)/;

        next if $ttl == -1 && !$ends{$kind};
        next if $ttl > 0 && $ttl < ($ends{$kind} // 9) * DAY + $slack;

        fail("$name: $key ends in $ttl s");
    }

    $t->finish;
}

done_testing;

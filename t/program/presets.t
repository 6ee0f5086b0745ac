# protects: that the programs of conf/programs give what their comments say: each
# lives through months, and what people have is compared with sums made by hand
#
# TEST_ONLY="uber shop": these alone
#
# Runs without sanitizers, unless it is named: it is about time and processes.
#
# The clock of nginx, Redis and settler is moved.  Numbers in tests are in cents
# (or points, megabytes, prizes), and where they come from stands beside them.
# Events happen when they are told, if "at" says nothing else.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Life;


life(uber => 'places, windows, the week\'s contest and its late reports, 50 a'
             . ' year, drivers who are paid once', sub {
    my $life = Referral::Life->new('uber', '2026-03-02 09:00', '+08:00',
        referrers => [qw(aiko ben caro dan fay gil)],
        fields => { timezone => 'Asia/Singapore' });

    # A week from Monday, March 2.  An hour passes between sign-up and ride,
    # as else it would look like fraud.

    my @friends = (
        (map { [ "a$_", 'aiko', 'Singapore' ] } 1 .. 3),
        [ 'a4', 'aiko', 'San Francisco' ],
        (map { [ "a$_", 'aiko', 'Berlin' ] } 5, 6),
        (map { [ "b$_", 'ben', 'Singapore' ] } 1 .. 5),
        (map { [ "c$_", 'caro' ] } 1 .. 5),
        (map { [ "d$_", 'dan', 'Singapore' ] } 1 .. 6),
    );

    $life->tell(map {
        my ($friend, $code, $city) = @$_;
        [ lead => $friend, code => $code, $city ? (city => $city) : () ]
    } @friends);
    $life->has('sign-ups alone');

    my %want = (
        (map { $_ => 'SGD available 1000' } qw(a1 a2 a3 b1 b2 b3 b4 b5
                                               d1 d2 d3 d4)),
        a4 => 'USD available 1500',
        (map { $_ => 'USD available 500' } qw(a5 a6 c1 c2 c3 c4)),
        # three of Singapore; one of San Francisco and two from elsewhere
        aiko => 'SGD available 3000, USD available 2500',
        ben => 'SGD available 5000',
        caro => 'USD available 2000',
        dan => 'SGD available 4000',
    );

    # the city is that of the sign-up, and a second ride gives nothing

    $life->go('2026-03-03 12:00');
    $life->tell(
        (map { [ ride => $_->[0], city => 'Oslo', order_id => "r-$_->[0]",
                 amount => 700, currency => 'USD' ] }
             grep { $_->[0] !~ /^(?:c5|d5|d6)$/ } @friends),
        [ ride => 'a1', order_id => 'again', amount => 900,
          currency => 'SGD' ]);
    $life->has('the first rides', %want);

    # In time for the contest: Caro's fifth, of Sunday, told on Monday.  Too
    # late: Dan's fifth of Sunday, told half an hour after its end; and of his
    # others one took place on Monday, which in London still was Sunday.

    $life->go('2026-03-09 20:00');
    $life->tell([ ride => 'c5', at => '2026-03-08 23:30' ],
                [ ride => 'd5', at => '2026-03-09 01:00' ]);
    $life->go('2026-03-09 23:59');

    $want{c5} = 'USD available 500';
    $want{d5} = 'SGD available 1000';
    $want{caro} = 'USD available 2500';
    $want{dan} = 'SGD available 5000';
    $life->has('the contest is open', %want);

    $life->go('2026-03-10 00:30');
    $life->tell([ ride => 'd6', at => '2026-03-08 23:45' ]);

    # six, then five and five: Ben had them first; Dan has four
    $want{aiko} = 'SGD available 33000, USD available 2500';
    $want{ben} = 'SGD available 25000';
    $want{caro} = 'USD available 2500, SGD available 10000';
    $want{d6} = 'SGD available 1000';
    $want{dan} = 'SGD available 6000';
    $life->has('the contest is closed', %want);

    # Aiko's fare: 40 are set aside, 35 paid, of what ends first: the three
    # rides' 30 and 5 of the prize

    $life->run(qw(wallet reserve uber aiko 40.00 SGD --order own1 --token t1));
    $want{aiko} = 'SGD available 29000 reserved 4000, USD available 2500';
    $life->has('reserved', %want);
    $life->run(qw(wallet commit uber t1 35.00));
    $want{aiko} = 'SGD available 29500 spent 3500, USD available 2500';
    $life->has('paid', %want);

    # Drivers, who sign up on April 1.  h1 has the 20th trip on the last
    # second of the 30 days, h2 one second later, h3 needs 50, and h4, who is
    # from elsewhere, gets nothing.

    $life->go('2026-04-01 10:00');
    $life->tell((map { [ lead => $_, code => 'gil', city => 'Singapore' ] }
                     qw(h1 h2)),
                [ lead => 'h3', code => 'gil', city => 'San Francisco' ],
                [ lead => 'h4', code => 'gil', city => 'Berlin' ]);
    $life->go('2026-04-30 10:00');
    $life->tell(map { my $n = $_;
                      map { [ trip => $_, at => sprintf '2026-04-%02d 11:00',
                                                        1 + $n ] }
                          $n <= 19 ? qw(h1 h2 h3 h4) : qw(h3 h4) } 1 .. 28);
    $life->tell(map { [ trip => 'h3', at => "2026-04-29 12:$_" ] } 10 .. 30);

    # 49 of h3
    $life->has('not yet', %want);
    $life->go('2026-05-01 10:00:01');
    $life->tell([ trip => 'h1', at => '2026-05-01 10:00' ],
                [ trip => 'h2', at => '2026-05-01 10:00:01' ],
                [ trip => 'h3', at => '2026-04-30 18:00' ]);
    $want{gil} = 'SGD pending 15000, USD pending 30000';
    $life->has('the 20th and the 50th', %want);

    # a week after the trips: h3's ends 16 hours before h1's
    $life->go('2026-05-08 09:59');
    $want{gil} = 'SGD pending 15000, USD available 30000';
    $life->has('one hold is over', %want);
    $life->go('2026-05-08 10:00');
    $want{gil} = 'SGD available 15000, USD available 30000';
    $life->has('both are', %want);

    # June 1, 12:00: the rides of March 3 end after 90 days; of Aiko's SGD
    # all that was left is the prize.  c5, d5 of March 9, d6 of March 10.
    $life->go('2026-06-01 12:01');
    $want{$_} =~ s/available/expired/g for grep { /^[abd][1-4]$|^[ab][56]$
                                                   |^c[1-4]$/x } keys %want;
    $want{aiko} = 'SGD available 29500 spent 3500, USD expired 2500';
    $want{ben} = 'SGD available 20000 expired 5000';
    $want{caro} = 'USD available 500 expired 2000, SGD available 10000';
    $want{dan} = 'SGD available 2000 expired 4000';
    $life->has('90 days after the first rides', %want);

    # The prizes end on June 8, 00:00 (from March 10, 00:00); c5 and d5 on
    # June 7, 20:00, d6 on June 8, 00:30.
    $life->go('2026-06-08 00:00');
    $want{c5} = 'USD expired 500';
    $want{d5} = 'SGD expired 1000';
    $want{aiko} = 'SGD expired 29500 spent 3500, USD expired 2500';
    $want{ben} = 'SGD expired 25000';
    $want{caro} = 'USD expired 2500, SGD expired 10000';
    $want{dan} = 'SGD available 1000 expired 5000';
    $life->has('and after the prizes', %want);
    $life->go('2026-06-08 00:31');
    $want{d6} = 'SGD expired 1000';
    $want{dan} = 'SGD expired 6000';
    $life->has('all of March is over', %want);

    # Late: i1 rode 59 days ago, i2 61 days ago; a window of 90 days ends with
    # its last second (i3) and not after it (i4); nobody refers himself.
    # Sign-ups of June 10; August 9 is 60 days later, September 8 is 90.

    $life->go('2026-06-10 10:00');
    $life->tell(map { [ lead => $_, code => 'ben' ] } qw(i1 i2 i3 i4 ben));
    $life->go('2026-08-11 10:00');
    $life->tell([ ride => 'i1', at => '2026-06-13 10:00' ], [ ride => 'ben' ]);
    $life->refused('at_late', [ ride => 'i2', at => '2026-06-11 10:00' ]);
    $life->go('2026-09-08 10:00:02');
    $life->tell([ ride => 'i3', at => '2026-09-08 10:00' ],
                [ ride => 'i4', at => '2026-09-08 10:00:01' ]);
    $want{$_} = 'USD available 500' for qw(i1 i3);
    $want{ben} = 'SGD expired 25000, USD available 1000';
    $life->has('late rides', %want);

    # Fay brings 51 in a year, and the last is one too many for her, not for
    # the friend.  f1's ride is cancelled, on both sides, which makes room for
    # f52; f51 stays denied.  By November 9 Ben's two have ended (August 11
    # and September 8 + 90 days: November 9, 10:00, and December 7).

    $life->go('2026-11-09 10:01');
    $life->tell(map { [ lead => "f$_", code => 'fay' ] } 1 .. 53);
    $life->go('2026-11-10 10:00');
    $life->tell(map { [ ride => "f$_", order_id => "r-f$_", amount => 500,
                        currency => 'USD' ] } 1 .. 51);
    $want{"f$_"} = 'USD available 500' for 1 .. 51;
    $want{fay} = 'USD available 25000';
    $want{i1} = 'USD expired 500';
    $want{ben} = 'SGD expired 25000, USD available 500 expired 500';
    $life->has('50 of 51', %want);
    $life->tell([ cancel => undef, order_id => 'r-f1' ]);
    $life->tell([ ride => 'f52', order_id => 'r-f52', amount => 500,
                  currency => 'USD' ]);
    $want{f1} = 'USD cancelled 500';
    $want{f52} = 'USD available 500';
    $want{fay} = 'USD available 25000 cancelled 500';
    $life->has('a place was free again', %want);

    # Fay's 51 friends of the week of November 9 (f51 counts, though not paid,
    # f1 does not) win 300.  In Singapore 2027 begins at 16:00 of London: a new
    # year for the cap.

    $life->go('2027-01-01 00:30');
    $life->tell([ ride => 'f53' ]);
    $want{f53} = 'USD available 500';
    $want{fay} = 'USD available 25500 cancelled 500, SGD available 30000';
    $want{i3} = 'USD expired 500';
    $want{ben} = 'SGD expired 25000, USD expired 1000';
    $life->has('a new year', %want);
    $life->end;
});

life(dropbox => 'two steps in any order, the referrer\'s plan, 32 friends for'
                . ' ever, old terms for old friends', sub {
    my $life = Referral::Life->new('dropbox', '2026-01-10 10:00', '+00:00',
        referrers => [qw(aiko pia)], segments => { pia => 'plus' });

    $life->tell(map { [ lead => "a$_", code => 'aiko' ] } 1 .. 35);
    $life->tell(map { [ lead => $_, code => 'pia' ] } qw(p1 p2 pia));
    $life->tell([ lead => 'old', code => 'pia', new => 0 ]);
    $life->go('2026-01-11 10:00');
    $life->tell(map { [ install => $_ ] } qw(p1 p2 pia old),
                                          map { "a$_" } 1 .. 16, 34);
    $life->tell(map { [ verify => "a$_" ] } 17 .. 33);
    $life->has('one of two steps');

    # a33 is the 33rd who does both; a34 never confirms, a35 does neither
    $life->go('2026-01-12 10:00');
    $life->tell((map { [ verify => "a$_" ] } 1 .. 16),
                (map { [ install => "a$_" ] } 17 .. 33),
                (map { [ verify => $_ ] } qw(p1 pia old)));

    my %want = (
        (map { ("a$_" => 'MB available 500') } 1 .. 33),
        aiko => 'MB available 16000',       # 32 x 500
        p1 => 'MB available 500', pia => 'MB available 1000',
    );

    $life->has('32 of 33; a plan; neither oneself nor an old customer', %want);

    # the plan is that of the moment at which it is decided
    $life->{t}->redis('HDEL', 'ref:referrer:{dropbox}:pia', 'segment');
    $life->tell([ verify => 'p2' ]);
    $want{p2} = 'MB available 500';
    $want{pia} = 'MB available 1500';
    $life->has('the plan has ended', %want);

    # a1 closes the account: a place for a35, and a33 stays denied
    $life->go('2026-02-01 10:00');
    $life->tell([ cancel => 'a1' ]);
    $want{a1} = 'MB cancelled 500';
    $want{aiko} = 'MB available 15500 cancelled 500';
    $life->has('an account is closed', %want);
    $life->tell([ install => 'a35' ], [ verify => 'a35' ]);
    $want{a35} = 'MB available 500';
    $want{aiko} = 'MB available 16000 cancelled 500';
    $life->has('another friend has the place', %want);

    # April 1 is 59 days after February 1, and 61 after January 30
    $life->tell([ lead => 'e1', code => 'pia' ], [ install => 'e1' ]);
    $life->go('2026-04-01 10:00');
    $life->tell([ lead => 'l1', code => 'pia', at => '2026-02-01 10:00' ],
                [ install => 'l1' ], [ verify => 'l1' ]);
    $life->refused('at_late', [ lead => 'l2', at => '2026-01-30 10:00' ]);
    $want{l1} = 'MB available 500';
    $want{pia} = 'MB available 2000';
    $life->has('59 and 61 days', %want);

    # half as much from now on: e1 signed up before, e2 after it
    $life->rules(sub { $_[0] =~ s/give=500MB/give=250MB/gr });
    $life->tell([ lead => 'e2', code => 'pia' ], [ install => 'e2' ],
                [ verify => 'e2' ], [ verify => 'e1' ]);
    $want{e1} = 'MB available 500';
    $want{e2} = 'MB available 250';
    $want{pia} = 'MB available 2750';       # 2000 + 500 + 250
    $life->has('old terms and new ones', %want);

    # space does not end
    $life->go('2027-12-01 10:00');
    $life->has('all of it is still there', %want);
    $life->end;
});


life(airbnb => 'a month of double, by the sign-up in the program\'s zone; a'
               . ' coupon for one booking; 5,000 dollars to the cent', sub {
    my $life = Referral::Life->new('airbnb', '2026-11-30 23:59', '-08:00',
                                   referrers => ['aiko']);
    my %want = (map { ($_ => 'USD available 4000') } qw(n1 d3 d4));

    # n1 is of November, though not in London
    $life->tell([ lead => 'n1', code => 'aiko' ]);
    $life->go('2026-12-01 00:10');
    $life->tell(map { [ lead => $_, code => 'aiko',
                        at => '2026-12-01 00:00' ] } qw(d1 d3 d4));
    $life->has('coupons', %want, d1 => 'USD available 4000');

    # 74.99 are too little for it; what a booking leaves of it is lost
    $life->go('2026-12-10 10:00');
    $life->vain(qw(wallet reserve airbnb d1 40.00 USD --order o-d1
                   --order-amount 74.99 --token c0));
    $life->run(qw(wallet reserve airbnb d1 40.00 USD --order o-d1
                  --order-amount 100.00 --token c1));
    $life->run(qw(wallet commit airbnb c1 30.00));
    $want{d1} = 'USD spent 3000 expired 1000';
    $life->has('a coupon is used once', %want);

    my $stay = sub {
        my ($friend, $order, $amount, %more) = @_;

        return [ checkout => $friend, order_id => $order, amount => $amount,
                 currency => 'USD', role => 'guest', %more ];
    };

    # n1 20, d1 40; d3 a cent too little; d4 stayed at the referrer's
    $life->go('2026-12-20 12:00');
    $life->tell($stay->('n1', 'o-n1', 7500), $stay->('d1', 'o-d1', 10000),
                $stay->('d3', 'o-d3', 7499),
                $stay->('d4', 'o-d4', 20000, parties => ['aiko']));
    $want{aiko} = 'USD pending 6000';
    $life->go('2026-12-21 11:59');
    $life->has('a day of hold', %want);
    $life->go('2026-12-21 12:00');
    $want{aiko} = 'USD available 6000';
    $life->has('it is over', %want);

    # d1 has 75.00 left, which is enough, and n1 74.00
    $life->go('2026-12-22 12:00');
    $life->tell([ refund => undef, order_id => 'o-d1', amount => 2500,
                  currency => 'USD' ],
                [ refund => undef, order_id => 'o-n1', amount => 100,
                  currency => 'USD' ]);
    $want{aiko} = 'USD available 4000 cancelled 2000';
    $life->has('refunds in part', %want);

    $life->go('2026-12-31 23:59');
    $life->tell([ lead => 'd2', code => 'aiko' ]);
    $life->go('2027-01-01 00:00:01');
    $life->tell([ lead => 'j1', code => 'aiko' ]);
    $want{$_} = 'USD available 4000' for qw(d2 j1);

    # of December: d2, d3, d4, 40 each; of January: j1, 20
    $life->go('2027-02-10 12:00');
    $life->tell($stay->('d2', 'o-d2', 8000), $stay->('j1', 'o-j1', 8000),
                $stay->('d3', 'o-d3b', 8000), $stay->('d4', 'o-d4b', 9000));
    $life->go('2027-02-12 12:00');
    $want{aiko} = 'USD available 18000 cancelled 2000';
    $life->has('by the day of the sign-up', %want);

    # as a host d1 100.00: 75; d3 99.99: nothing
    $life->tell($stay->('d1', 'h-d1', 10000, role => 'host'),
                $stay->('d3', 'h-d3', 9999, role => 'host'));
    $life->go('2027-02-14 12:00');
    $want{aiko} = 'USD available 25500 cancelled 2000';
    $life->has('and once more as a host', %want);

    # 255 + 4,700 of before: 45 are left, of which n1 as a host gets no 75;
    # of e1 nothing is left
    $life->run(qw(reward adjust airbnb aiko 4700.00 USD --state spent --cap
                  travel --reason before));
    $life->go('2027-02-20 12:00');
    $life->tell($stay->('n1', 'h-n1', 10000, role => 'host'),
                [ lead => 'e1', code => 'aiko' ]);
    $life->go('2027-02-25 12:00');
    $life->tell($stay->('e1', 'o-e1', 9000));
    $want{e1} = 'USD available 4000';
    $want{aiko} = 'USD available 30000 cancelled 2000 spent 470000';
    $life->has('the rest of the cap, and one friend more', %want);

    # d1's stay is cancelled: 40 are free, the coupon does not come back.  d2
    # as a host on the last minute of 180 days gets them; for d3, who signed up
    # 30 days earlier, it is too late.
    $life->go('2027-06-29 23:59');
    $life->tell([ cancel => undef, order_id => 'o-d1' ]);
    $want{aiko} = 'USD available 26000 cancelled 6000 spent 470000';
    $life->has('a stay is cancelled', %want);
    $life->tell($stay->('d3', 'h-d3b', 20000, role => 'host'),
                $stay->('d2', 'h-d2', 20000, role => 'host'));
    $want{aiko} = 'USD available 26000 pending 4000 cancelled 6000'
                  . ' spent 470000';
    $life->has('within 180 days', %want);

    # 59 and 61 days, for a friend above the cap
    $life->go('2027-08-28 12:00');
    $life->tell([ lead => 'e2', code => 'aiko', at => '2027-06-30 12:00' ]);
    $life->refused('at_late', [ lead => 'e3', at => '2027-06-28 12:00' ]);
    $want{e2} = 'USD available 4000';
    $want{aiko} = 'USD available 30000 cancelled 6000 spent 470000';
    $life->has('59 days late', %want);

    # A year after November 30 the coupon of n1 ends, and a day later those of
    # December 1.  The 140 of February 11 end on February 11, 2028; of the
    # friends e1's (February 20) and e2's are left then.
    $life->go('2027-12-01 00:08');
    $want{n1} = 'USD expired 4000';
    $life->has('a coupon ends', %want);
    $life->go('2028-02-11 12:00');
    $want{$_} = 'USD expired 4000' for qw(d2 d3 d4 j1);
    $want{aiko} = 'USD available 16000 expired 14000 cancelled 6000'
                  . ' spent 470000';
    $life->has('and credit does', %want);
    $life->end;
});


life(prime => 'students and days in July, multiplied; a week in which it may be'
              . ' sent back; a reward that comes back; a debt', sub {
    my $life = Referral::Life->new('prime', '2026-07-06 23:59', '+02:00',
        referrers => [qw(aiko ben carl)], segments => { aiko => 'student' },
        fields => { window => '60d' });
    my $buy = sub {
        my ($friend, $amount, %more) = @_;

        return [ sale => $friend, order_id => "o-$friend", product => 'prime',
                 amount => $amount, currency => 'USD', %more ];
    };

    $life->tell([ lead => 'b1', code => 'ben' ], [ lead => 's1', code => 'aiko' ]);
    $life->go('2026-07-07 00:00');
    $life->tell([ lead => 'b2', code => 'ben' ], [ lead => 's2', code => 'aiko' ]);
    $life->go('2026-07-08 23:59');
    $life->tell([ lead => 'b3', code => 'ben' ]);
    $life->go('2026-07-09 00:00');
    $life->tell(map { [ lead => $_, code => 'ben' ] } qw(b4 b5));

    # ben 5 + 10 + 10 + 5; aiko 10 + 20; each friend 5, which no boost raises
    $life->go('2026-07-20 12:00');
    $life->tell((map { $buy->($_, 1299) } qw(b1 b2 b3 b4 s1 s2)),
                $buy->('b5', 999), $buy->('b5', 2000, product => 'book',
                                          order_id => 'book'));

    my %want = (ben => 'USD pending 3000', aiko => 'USD pending 3000',
                map { ($_ => 'USD pending 500') } qw(b1 b2 b3 b4 s1 s2));

    $life->has('boosts', %want);

    # b2 sends it back, b3 has 10.00 left, b4 9.99
    $life->go('2026-07-25 12:00');
    $life->tell([ refund => undef, order_id => 'o-b2', currency => 'USD',
                  total_refunded => 1299 ],
                [ refund => undef, order_id => 'o-b3', currency => 'USD',
                  amount => 299 ],
                [ refund => undef, order_id => 'o-b4', currency => 'USD',
                  amount => 300 ]);
    $want{ben} = 'USD pending 1500 cancelled 1500';
    $want{$_} = 'USD cancelled 500' for qw(b2 b4);
    $life->has('sent back, on both sides', %want);
    $life->go('2026-07-27 11:59');
    $life->has('a week less a minute', %want);
    $life->go('2026-07-27 12:00');
    $want{ben} = 'USD available 1500 cancelled 1500';
    $want{aiko} = 'USD available 3000';
    $want{$_} = 'USD available 500' for qw(b1 b3 s1 s2);
    $life->has('a week later', %want);

    # b2 buys again, which brings the same 10 back; b5 now enough, for 5
    $life->go('2026-08-01 12:00');
    $life->tell($buy->('b2', 1299, order_id => 'o-b2b'),
                $buy->('b5', 1000, order_id => 'o-b5b'),
                [ lead => 'b6', code => 'ben' ],
                map { [ lead => "c$_", code => 'carl' ] } 1 .. 51);
    $want{ben} = 'USD available 1500 pending 1500 cancelled 500';
    $want{b2} = 'USD pending 500';
    $want{b5} = 'USD pending 500';
    $life->has('earned again', %want);

    # ben spends all of it, then b3 sends the rest back
    $life->go('2026-08-09 12:00');
    $life->run(qw(wallet reserve prime ben 30.00 USD --order own --token t1));
    $life->run(qw(wallet commit prime t1));
    $want{$_} = 'USD available 500' for qw(b2 b5);
    $want{ben} = 'USD spent 3000 cancelled 500';
    $life->has('spent', %want);
    $life->tell([ refund => undef, order_id => 'o-b3', currency => 'USD',
                  total_refunded => 1299 ]);
    $want{ben} = 'USD spent 3000 available -1000 cancelled 1500';
    $want{b3} = 'USD cancelled 500';
    $life->has('a debt', %want);
    $life->vain(qw(wallet reserve prime ben 0.01 USD --order own2 --token t2));

    # 51 friends in a year: the last is one too many, but not for himself
    $life->go('2026-08-10 12:00');
    $life->tell(map { $buy->("c$_", 1299) } 1 .. 51);
    $want{carl} = 'USD pending 25000';
    $want{"c$_"} = 'USD pending 500' for 1 .. 51;
    $life->has('50 of 51', %want);

    # October 8 is 59 days after August 10: the hold is long over
    $life->go('2026-10-08 12:00');
    $life->tell($buy->('b6', 1299, at => '2026-08-10 12:00'));
    $life->refused('at_late', $buy->('b7', 1299, at => '2026-08-08 12:00'));
    $want{b6} = 'USD available 500';
    $want{ben} = 'USD spent 3000 available -500 cancelled 1500';
    $want{carl} = 'USD available 25000';
    $want{"c$_"} = 'USD available 500' for 1 .. 51;
    $life->has('59 days late, and half of the debt', %want);

    # 2027 begins while it is 23:00 in London
    $life->go('2026-12-31 12:00');
    $life->tell([ lead => 'c52', code => 'carl' ], [ lead => 'c53', code => 'carl' ]);
    $life->go('2027-01-01 00:30');
    $life->tell($buy->('c52', 1299, at => '2026-12-31 23:59'),
                $buy->('c53', 1299));
    $want{$_} = 'USD available 500' for qw(c52 c53);
    $want{carl} = 'USD available 25500';
    $life->go('2027-01-08 01:00');
    $life->has('a new year', %want);
    $life->end;
});


life(tesla => 'a ladder of prizes by the day of the order, choices made and not'
              . ' made, then points that extend each other, ten a year', sub {
    my $life = Referral::Life->new('tesla', '2026-05-02 12:00', '+00:00',
                                   referrers => ['aiko']);
    my $car = sub {
        my ($friend, $order, $ordered, @products) = @_;

        return [ delivery => $friend, order_id => $order,
                 order_at => $ordered,
                 product => [ @products ? @products : 'vehicle' ] ];
    };

    $life->tell(map { [ lead => "t$_", code => 'aiko' ] } 1 .. 6);

    # the first two may choose; an order of the last minute of April is no
    # rung
    $life->go('2026-06-10 12:00');
    $life->tell($car->('t6', 'q0', '2026-04-30 23:59'),
                $car->('t1', 'q1', '2026-05-01 00:00'));
    $life->go('2026-06-11 12:00');
    $life->tell($car->('t2', 'q2', '2026-05-04 10:00'));

    my %want = (aiko => 'prize pending 2',
                map { ($_ => 'prize available 1') } qw(t1 t2));

    $life->has('two choices are open', %want);

    my ($first) = $life->rewards('aiko', 'ladder', friend => 't1');

    $life->run('reward', 'choose', 'tesla', $first, 'kids_car');
    $want{aiko} = 'prize available 1 pending 1';
    $life->has('one is made', %want);

    # the third has no choice, the fourth has, the fifth has none
    $life->go('2026-06-13 12:00');
    $life->tell(map { $car->("t$_", "q$_", '2026-05-31 10:00') } 3 .. 5);
    $want{$_} = 'prize available 1' for qw(t3 t4 t5);
    $want{aiko} = 'prize available 3 pending 2';
    $life->has('five rungs', %want);

    $life->go('2026-06-14 12:00');
    $life->tell([ cancel => undef, order_id => 'q5' ]);
    $want{aiko} = 'prize available 2 pending 2 cancelled 1';
    $want{t5} = 'prize cancelled 1';
    $life->has('a car is cancelled', %want);

    # who does not choose has the first of the two after 30 days
    $life->go('2026-07-11 11:59');
    $life->has('choices are open', %want);
    $life->go('2026-07-11 12:05');
    $want{aiko} = 'prize available 3 pending 1 cancelled 1';
    $life->has('one has ended', %want);
    $life->go('2026-07-13 12:05');
    $want{aiko} = 'prize available 4 cancelled 1';
    $life->has('so has the other', %want);

    # Without the one that was cancelled t6 is the fifth, by an order of the
    # last minute; t1's second car is the sixth, for which there is no rung.
    $life->go('2026-07-16 12:00');
    $life->tell($car->('t6', 'q6', '2026-07-15 23:59'));
    $life->tell($car->('t1', 'q7', '2026-07-15 23:59'));
    $want{aiko} = 'prize available 5 cancelled 1';
    $want{t6} = 'prize available 1';
    $life->has('another is the fifth, and none the sixth', %want);
    is_deeply([ sort map { $_->{prize} // '' }
                     grep { $_->{state} eq 'available' }
                     map { Referral::Cli::j('reward', 'show', 'tesla', $_) }
                     $life->rewards('aiko', 'ladder') ],
              [ sort qw(kids_car wall_connector solar_token wheels
                        powerwall) ], 'which prizes');

    # points: 2,000 for the first order of the second phase, 3,500, 9,000
    $life->go('2026-09-01 12:00');
    $life->tell($car->('t1', 'q10', '2026-07-16 00:00', 'vehicle', 'model3'),
                $car->('t2', 'q11', '2026-08-01 10:00', 'models'));
    $life->go('2026-09-02 12:00');
    $life->tell([ permission => 't3', order_id => 'q12',
                  order_at => '2026-08-02 10:00', product => 'solar_roof' ],
                $car->('t3', 'q12b', '2026-08-02 10:00', 'solar_roof'));
    $want{aiko} = 'prize available 5 cancelled 1, pt available 14500';
    $life->has('points', %want);

    # seven more are ten; the eleventh is one too many
    $life->go('2026-10-01 12:00');
    $life->tell(map { $car->('t4', "q$_", '2026-09-01 10:00', 'modely') }
                    13 .. 20);
    $want{aiko} = 'prize available 5 cancelled 1, pt available 28500';
    $life->has('ten of eleven', %want);

    # the catalogue: its price, and nothing else
    $life->vain(qw(wallet reserve tesla aiko 3999 pt --item charger --token
                   k0));
    $life->run(qw(wallet reserve tesla aiko 4000 pt --item charger --token
                  k1));
    $life->run(qw(wallet commit tesla k1));
    $want{aiko} = 'prize available 5 cancelled 1,'
                  . ' pt available 24500 spent 4000';
    $life->has('a charger', %want);

    # a car ordered in 2026 is of the full year, whenever it comes; one of
    # 2027 is not, and by it all points live until January 10, 2028
    $life->go('2027-01-10 12:00');
    $life->tell($car->('t5', 'q21', '2026-12-31 23:59', 'model3'),
                $car->('t6', 'q22', '2027-01-01 00:00', 'model3'));
    $life->refused('at_late', [ delivery => 't1', order_id => 'q23',
                                product => 'model3',
                                at => '2026-11-10 12:00' ]);
    $want{aiko} = 'prize available 5 cancelled 1,'
                  . ' pt available 26500 spent 4000';
    $life->has('the year of the order', %want);

    # 9,000 are taken back, which makes room in 2026
    $life->go('2027-01-12 12:00');
    $life->tell([ cancel => undef, order_id => 'q12' ]);
    $want{aiko} = 'prize available 5 cancelled 1,'
                  . ' pt available 17500 spent 4000 cancelled 9000';
    $life->has('the roof is cancelled', %want);
    $life->tell($car->('t5', 'q24', '2026-12-30 10:00', 'model3'));
    $want{aiko} = 'prize available 5 cancelled 1,'
                  . ' pt available 19500 spent 4000 cancelled 9000';
    $life->has('a place is free', %want);

    # not in September and October, but a year after the last of them
    $life->go('2028-01-12 11:59');
    $life->has('points live on', %want);
    $life->go('2028-01-12 12:10');
    $want{aiko} = 'prize available 5 cancelled 1,'
                  . ' pt expired 19500 spent 4000 cancelled 9000';
    $life->has('and end together; prizes do not', %want);
    $life->end;
});


life(saas => 'a share of each invoice that follows refunds and changes to the'
             . ' cent, a month\'s limit, twelve months, a debt', sub {
    my $life = Referral::Life->new('saas', '2026-01-15 10:00', '+00:00',
                                   referrers => ['aiko']);
    my $pay = sub {
        my ($friend, $order, $amount, %more) = @_;

        return [ sale => $friend, order_id => $order, amount => $amount,
                 currency => 'EUR', %more ];
    };
    my $back = sub {
        my ($order, %more) = @_;

        return [ refund => undef, order_id => $order, currency => 'EUR',
                 %more ];
    };

    # 9.99 are 1.998, so 1.99, and no hello; 100.01 are 20.002; 3,000 are 600,
    # of which 500 are given
    $life->tell([ lead => 'f1', code => 'aiko' ]);
    $life->go('2026-01-31 10:00');
    $life->tell($pay->('f1', 'i0', 999));
    $life->has('a share', aiko => 'EUR pending 199');
    $life->tell($pay->('f1', 'i1', 10001));
    $life->go('2026-02-01 10:00');
    $life->tell($pay->('f1', 'i2', 300000));

    my %want = (aiko => 'EUR pending 52199', f1 => 'EUR pending 1500');

    $life->has('three invoices', %want);

    # i1: 90.00 left, 18; i2: 2,600 left, still 500
    $life->go('2026-02-05 10:00');
    $life->tell($back->('i1', amount => 1001), $back->('i2', amount => 40000));
    $want{aiko} = 'EUR pending 51999 cancelled 200';
    $life->has('refunds in part', %want);

    # i2: 2,400 left, 480
    $life->tell($back->('i2', total_refunded => 60000));
    $want{aiko} = 'EUR pending 49999 cancelled 2200';
    $life->has('below the most', %want);

    # i1 is 200.00 now, less 10.01: 37.998; 19.99 more, of which 2.00 had been
    # taken back
    $life->go('2026-02-06 10:00');
    $life->tell([ update => undef, order_id => 'i1', amount => 20000,
                  currency => 'EUR' ]);
    $want{aiko} = 'EUR pending 51998 cancelled 2000';
    $life->has('a larger invoice', %want);

    # 30 days after January 31 and February 1
    $life->go('2026-03-02 10:01');
    $want{aiko} = 'EUR available 3998 pending 48000 cancelled 2000';
    $want{f1} = 'EUR available 1500';
    $life->has('one hold is over', %want);
    $life->go('2026-03-03 10:01');
    $want{aiko} = 'EUR available 51998 cancelled 2000';
    $life->has('both are', %want);
    $life->run(qw(wallet reserve saas aiko 510.00 EUR --token t1));
    $life->run(qw(wallet commit saas t1));
    $want{aiko} = 'EUR available 998 spent 51000 cancelled 2000';
    $life->has('paid out', %want);

    # April: 4 x 500 are 2,000; of the fifth nothing.  The first is refunded:
    # 500 are free, of which the sixth takes 100, and the seventh the rest.
    $life->go('2026-04-02 10:00');
    $life->tell([ lead => 'f2', code => 'aiko', at => '2026-04-01 10:00' ],
                (map { $pay->($_ % 2 ? 'f1' : 'f2', "j$_", 300000) } 1 .. 5));
    $want{f2} = 'EUR pending 1500';
    $want{aiko} = 'EUR available 998 pending 200000 spent 51000'
                  . ' cancelled 2000';
    $life->has('the month is full', %want);
    $life->go('2026-04-10 10:00');
    $life->tell($back->('j1', amount => 300000));
    $life->tell($pay->('f1', 'j6', 50000));
    $life->tell($pay->('f2', 'j7', 300000));
    $want{aiko} = 'EUR available 998 pending 200000 spent 51000'
                  . ' cancelled 52000';
    $life->has('and full again', %want);

    # more than all of i2 is refunded: its 480 are taken back, though spent
    $life->tell($back->('i2', total_refunded => 999999));
    $want{aiko} = 'EUR available -47002 pending 200000 spent 51000'
                  . ' cancelled 100000';
    $life->has('a debt', %want);
    $life->vain(qw(wallet reserve saas aiko 1.00 EUR --token t2));

    # j2, j3, j4 of April 2: 1,500, which fill it; j6 and j7 a week later
    $life->go('2026-05-02 10:01');
    $want{f2} = 'EUR available 1500';
    $want{aiko} = 'EUR available 102998 pending 50000 spent 51000'
                  . ' cancelled 100000';
    $life->has('which is filled', %want);

    # a new month has room; an invoice of May 2, told 59 days later, has no
    # hold left
    $life->go('2026-06-30 10:00');
    $life->tell($pay->('f1', 'k1', 300000, at => '2026-05-02 10:00'));
    $life->refused('at_late', $pay->('f1', 'k2', 300000,
                                     at => '2026-04-30 10:00'));
    $want{aiko} = 'EUR available 202998 spent 51000 cancelled 100000';
    $life->has('59 days late', %want);

    # 30 % from now on, for new friends only
    $life->go('2026-07-01 10:00');
    $life->rules(sub { $_[0] =~ s/give=20%/give=30%/r });
    $life->tell([ lead => 'f3', code => 'aiko' ]);
    $life->go('2026-07-02 10:00');
    $life->tell($pay->('f2', 'l1', 10000), $pay->('f3', 'l2', 10000));
    $want{f3} = 'EUR pending 1500';
    $want{aiko} = 'EUR available 202998 pending 5000 spent 51000'
                  . ' cancelled 100000';
    $life->has('20 % and 30 %', %want);

    # twelve months from January 15, 10:00.  The credit of f1 ends a year
    # after March 2, of f2 after May 2, of f3 after August 1.
    $life->go('2027-01-15 10:05');
    $life->tell($pay->('f1', 'm1', 10000, at => '2027-01-15 09:59'),
                $pay->('f1', 'm2', 10000, at => '2027-01-15 10:01'));
    $want{f3} = 'EUR available 1500';
    $want{aiko} = 'EUR available 207998 pending 2000 spent 51000'
                  . ' cancelled 100000';
    $life->has('a year of invoices', %want);
    $life->go('2027-05-02 10:01');
    $want{$_} = 'EUR expired 1500' for qw(f1 f2);
    $want{aiko} = 'EUR available 209998 spent 51000 cancelled 100000';
    $life->has('credit ends, a share does not', %want);
    $life->end;
});


life(bank => 'points at the first payment, at 500 euros and for three such'
             . ' friends; a milestone that breaks in its hold and comes back;'
             . ' silver; a month\'s limit; closed accounts', sub {
    my $life = Referral::Life->new('bank', '2026-02-01 10:00', '+01:00',
                                   referrers => ['aiko']);
    my $orders = 0;
    my $txn = sub {
        my ($friend, $amount, %more) = @_;

        return [ txn => $friend, order_id => 'x' . ++$orders,
                 amount => $amount, currency => 'EUR', %more ];
    };

    $life->tell(map { [ lead => "b$_", code => 'aiko' ] } 1 .. 4);

    my %want = map { ("b$_" => 'pt pending 100') } 1 .. 4;

    $life->has('a welcome that waits', %want);

    # 4.99 are a payment, but too small for the first reward
    $life->go('2026-02-02 10:00');
    $life->tell($txn->('b1', 499));
    $want{b1} = 'pt available 100';
    $life->has('a small payment', %want);

    # b1: first.  b2: first and spend at once.  b3: first, and 300 of 500.
    $life->go('2026-02-03 10:00');
    $life->tell($txn->('b1', 10000), $txn->('b2', 50000));
    $life->go('2026-02-04 10:00');
    $life->tell($txn->('b3', 30000));
    $want{b1} = 'pt available 100 pending 500';
    $want{b2} = 'pt available 100 pending 1500';
    $want{b3} = 'pt available 100 pending 500';
    $want{aiko} = 'pt pending 2500';
    $life->has('first payments', %want);

    # b1: 4.99 + 100 + 395.01; b3: 300 + 200, the third: 1,500 for the two
    $life->go('2026-02-05 10:00');
    $life->tell($txn->('b1', 39501));
    $life->go('2026-02-10 10:00');
    $life->tell($txn->('b3', 20000, order_id => 'b3-200'));
    $want{b1} = 'pt available 100 pending 1500';
    $want{b3} = 'pt available 100 pending 3000';
    $want{aiko} = 'pt pending 6000';        # 3 x 500 + 3 x 1000 + 1500
    $life->has('three friends have spent it', %want);

    # that is all of February's 6,000: of b4 aiko has nothing, and b4 has all
    $life->go('2026-02-11 10:00');
    $life->tell($txn->('b4', 1000));
    $want{b4} = 'pt available 100 pending 500';
    $life->has('the month is full', %want);

    # b3 has 300 left: the 1,000 fall, for both.  The milestone is asked at
    # the end of its hold, February 24.
    $life->go('2026-02-12 10:00');
    $life->tell([ refund => undef, order_id => 'b3-200', amount => 20000,
                  currency => 'EUR' ]);
    $want{b3} = 'pt available 100 pending 2000 cancelled 1000';
    $want{aiko} = 'pt pending 5000 cancelled 1000';
    $life->has('a refund in the hold', %want);

    # Holds end on February 17 (500 and 500 + 1,000), 18 (500), 19 (1,000)
    $life->go('2026-02-17 10:01');
    $want{b1} = 'pt available 600 pending 1000';
    $want{b2} = 'pt available 1600';
    $want{aiko} = 'pt available 2000 pending 3000 cancelled 1000';
    $life->has('the first holds are over', %want);
    $life->go('2026-02-24 09:59');
    $want{b1} = 'pt available 1600';
    $want{b3} = 'pt available 600 pending 1500 cancelled 1000';
    $want{aiko} = 'pt available 3500 pending 1500 cancelled 1000';
    $life->has('but for the milestone\'s', %want);
    $life->go('2026-02-24 10:01');
    $want{b3} = 'pt available 600 cancelled 2500';
    $want{aiko} = 'pt available 3500 cancelled 2500';
    $life->has('which only two have reached', %want);

    # b4 is the third again: of aiko, who is silver, 1,000 x 1.5; the milestone
    # comes back, now with b4, in February's limit
    $life->go('2026-03-01 10:00');
    $life->tell($txn->('b4', 49000));
    $want{b4} = 'pt available 600 pending 2500';
    $want{aiko} = 'pt available 3500 pending 3000 cancelled 1000';
    $life->has('another third friend', %want);
    $life->go('2026-03-15 10:01');
    $want{b4} = 'pt available 3100';
    $want{aiko} = 'pt available 6500 cancelled 1000';
    $life->has('who lasts', %want);

    # 750 for silver; c1 closes the account within 60 days, b2 after it; c2's
    # first payment comes a second after the 30 days
    $life->go('2026-03-20 10:00');
    $life->tell(map { [ lead => $_, code => 'aiko' ] } qw(c1 c2));
    $life->go('2026-03-21 10:00');
    $life->tell($txn->('c1', 2000));
    $want{c1} = 'pt available 100 pending 500';
    $want{c2} = 'pt pending 100';
    $want{aiko} = 'pt available 6500 pending 750 cancelled 1000';
    $life->has('silver', %want);
    $life->go('2026-04-10 10:00');
    $life->tell([ cancel => 'c1' ], [ cancel => 'b2' ]);
    $want{c1} = 'pt cancelled 600';
    $want{aiko} = 'pt available 6500 cancelled 1750';
    $life->has('accounts are closed', %want);
    $life->go('2026-04-19 10:00:02');
    $life->tell($txn->('c2', 2000, at => '2026-04-19 10:00:01'));
    $want{c2} = 'pt available 100';
    $life->has('after the window', %want);

    # 59 days late: no hold is left
    $life->go('2026-05-01 10:00');
    $life->tell([ lead => 'c3', code => 'aiko' ]);
    $life->go('2026-06-30 10:00');
    $life->tell($txn->('c3', 2000, at => '2026-05-02 10:00'));
    $life->refused('at_late', $txn->('c3', 2000, at => '2026-04-30 10:00'));
    $want{c3} = 'pt available 600';
    $want{aiko} = 'pt available 7250 cancelled 1750';
    $life->has('59 days late', %want);

    # spent, and then c2 spends 500 too late for anything
    $life->run(qw(wallet reserve bank aiko 7250 pt --token t1));
    $life->run(qw(wallet commit bank t1));
    $life->tell($txn->('c2', 50000));
    $want{aiko} = 'pt spent 7250 cancelled 1750';
    $life->has('spent', %want);

    # silver is of 2026
    $life->go('2027-01-05 10:00');
    $life->tell([ lead => 'd1', code => 'aiko' ]);
    $life->go('2027-01-06 10:00');
    $life->tell($txn->('d1', 2000));
    $want{d1} = 'pt available 100 pending 500';
    $want{aiko} = 'pt spent 7250 cancelled 1750 pending 500';
    $life->has('a new year', %want);
    $life->end;
});


life(shop => 'ten off and ten back: a coupon of one order, two weeks of hold, 20'
             . ' friends a year, a debt, a text with a mistake', sub {
    my $life = Referral::Life->new('shop', '2026-01-05 10:00', '+01:00',
                                   referrers => [qw(aiko carl)]);
    my $buy = sub {
        my ($friend, $order, $amount, %more) = @_;

        return [ sale => $friend, order_id => $order, amount => $amount,
                 currency => 'EUR', %more ];
    };
    my %want = map { ("b$_" => 'EUR available 1000') } 1 .. 6;

    $life->tell(map { [ lead => "b$_", code => 'aiko' ] } 1 .. 6);
    $life->has('coupons', %want);

    # b1 pays with it.  b2 a cent too little, b3 a gift card.
    $life->go('2026-01-06 10:00');
    $life->vain(qw(wallet reserve shop b2 10.00 EUR --order o2 --order-amount
                   49.99 --token c2));
    $life->run(qw(wallet reserve shop b1 10.00 EUR --order o1 --order-amount
                  60.00 --token c1));
    $life->run(qw(wallet commit shop c1));
    $life->tell($buy->('b1', 'o1', 6000), $buy->('b2', 'o2', 4999),
                $buy->('b3', 'o3', 6000, product => 'giftcard'),
                $buy->('b4', 'o4', 10000), $buy->('b5', 'o5', 5000));
    $want{b1} = 'EUR spent 1000';
    $want{aiko} = 'EUR pending 3000';       # b1, b4, b5
    $life->has('three have bought', %want);

    # b4 keeps 50.00, told by sums, b5 49.99
    $life->go('2026-01-10 10:00');
    $life->tell([ refund => undef, order_id => 'o4', currency => 'EUR',
                  total_refunded => 4999 ],
                [ refund => undef, order_id => 'o4', currency => 'EUR',
                  total_refunded => 5000 ],
                [ refund => undef, order_id => 'o5', currency => 'EUR',
                  amount => 1 ]);
    $want{aiko} = 'EUR pending 2000 cancelled 1000';
    $life->has('sent back in part', %want);
    $life->go('2026-01-20 09:59');
    $life->has('two weeks less a minute', %want);
    $life->go('2026-01-20 10:01');
    $want{aiko} = 'EUR available 2000 cancelled 1000';
    $life->has('two weeks', %want);

    # aiko spends 15 of 20; b1's order is cancelled, whose coupon is gone
    $life->run(qw(wallet reserve shop aiko 20.00 EUR --token t1));
    $life->run(qw(wallet commit shop t1 15.00));
    $life->go('2026-02-01 10:00');
    $life->tell([ cancel => undef, order_id => 'o1' ]);
    $want{aiko} = 'EUR available -500 spent 1500 cancelled 2000';
    $life->has('a debt', %want);
    $life->vain(qw(wallet reserve shop aiko 1.00 EUR --token t2));

    # b2 buys once more, which fills it on February 15
    $life->tell($buy->('b2', 'o2b', 5000));
    $life->go('2026-02-15 10:01');
    $want{aiko} = 'EUR available 500 spent 1500 cancelled 2000';
    $life->has('is filled', %want);

    # 90 days after January 5; as summer time has no part in it, at 10:00
    $life->go('2026-04-05 10:10');
    $want{"b$_"} = 'EUR expired 1000' for 2 .. 6;
    $life->has('coupons end', %want);

    # a text with a mistake is refused whole, and the old one holds
    $life->go('2026-04-10 10:00');

    my $t = $life->{t};
    my $text = $t->redis('HGET', 'ref:program:{shop}', 'rewards');

    $t->redis('HSET', 'ref:program:{shop}', 'rewards',
              $text =~ s/give=10.00EUR hold/give=12EUR hold/r);
    ok((wait_for { $t->redis('HGET', 'ref:settled:{shop}',
                             'rewards_refused') }), 'a text is refused');
    $life->tell([ lead => 'm1', code => 'aiko' ]);
    $life->go('2026-04-10 12:00');
    $life->tell($buy->('m1', 'om1', 5000));
    $want{m1} = 'EUR available 1000';
    $want{aiko} = 'EUR available 500 pending 1000 spent 1500 cancelled 2000';
    $life->has('the old text', %want);

    # 12 from now on; b6 is of January, and has the ten of then
    $life->rules(sub { $text =~ s/give=10.00EUR hold/give=12.00EUR hold/r });
    $life->go('2026-04-11 10:00');
    $life->tell([ lead => 'n1', code => 'aiko' ]);
    $life->go('2026-04-12 10:00');
    $life->tell($buy->('b6', 'o6', 5000), $buy->('n1', 'on1', 5000));
    $want{n1} = 'EUR available 1000';
    $want{aiko} = 'EUR available 500 pending 3200 spent 1500 cancelled 2000';
    $life->has('old terms and new ones', %want);

    # 21 friends of carl, one more than the year's; x1 for what comes late
    $life->go('2026-05-01 10:00');
    $life->tell([ lead => 'x1', code => 'aiko' ],
                map { [ lead => "c$_", code => 'carl' ] } 1 .. 21);
    $life->go('2026-05-02 10:00');
    $life->tell(map { $buy->("c$_", "oc$_", 5000) } 1 .. 21);
    $want{$_} = 'EUR available 1000' for 'x1', map { "c$_" } 1 .. 21;
    $want{carl} = 'EUR pending 24000';      # 20 x 12
    $want{aiko} = 'EUR available 3700 spent 1500 cancelled 2000';
    $life->has('20 of 21', %want);

    # c1 sends it back: a place in the year for c22
    $life->go('2026-05-10 10:00');
    $life->tell([ cancel => undef, order_id => 'oc1' ],
                [ lead => 'c22', code => 'carl' ]);
    $life->go('2026-05-10 12:00');
    $life->tell($buy->('c22', 'oc22', 5000));
    $want{c22} = 'EUR available 1000';
    $want{carl} = 'EUR pending 24000 cancelled 1200';
    $life->has('a place is free', %want);

    # 59 days after May 3, when the two weeks are over
    $life->go('2026-07-01 10:00');
    $life->tell($buy->('x1', 'ox1', 5000, at => '2026-05-03 10:00'));
    $life->refused('at_late', $buy->('x1', 'ox2', 5000,
                                     at => '2026-05-01 10:00'));
    $want{carl} = 'EUR available 24000 cancelled 1200';
    $want{aiko} = 'EUR available 4900 spent 1500 cancelled 2000';
    $life->has('59 days late', %want);

    # a year after the last of them, July 1, all of it is over
    $life->go('2027-07-01 10:10');
    $want{$_} =~ s/available 1000/expired 1000/ for keys %want;
    $want{carl} = 'EUR expired 24000 cancelled 1200';
    $want{aiko} = 'EUR expired 4900 spent 1500 cancelled 2000';
    $life->has('and a year later', %want);
    $life->end;
});


done_testing;


sub life {
    my ($name, $protects, $sub) = @_;

    case($name => sub { subtest("$name: $protects", $sub) });
}

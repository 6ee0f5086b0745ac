# protects: the relay's user of the manual's ACL line (docs/redis.md) may do all
# that the relay does, and nothing stands in that line that is not needed for it

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Cli;
use Referral::Relay qw(places);

my $t = Referral->new;
my $r = Referral::Relay->receiver($t);
my ($line) = $t->read_file("$Referral::ROOT/docs/redis.md")
             =~ /^    user relay (.*)$/m;

ok($line, 'the manual has the line') or do { done_testing; exit };

my @words = split ' ', $line;

Referral::Cli->begin($t);
$t->write_file('password', "change-this-password\n", 0600);


sub user { $t->redis('ACL', 'SETUSER', 'relay', 'reset', @words, @_) }


# what was refused since the last time, each once

sub refused {
    my %seen;

    for my $entry (@{ $t->redis('ACL', 'LOG') }) {
        my %e = @$entry;
        my $what = $e{reason} eq 'key' ? $e{object} : lc $e{object};
        $seen{"$e{reason}: $what"} = 1;
    }

    $t->redis('ACL', 'LOG', 'RESET');

    return sort keys %seen;
}


my ($n, $known) = (0, '');


# All that a relay does, each time with a program of its own: messages that are
# taken, refused, unwanted and gone, a test, an endpoint that is back, one that
# is paused, old messages, a lost outbox.  "early" ends it.

sub life {
    my ($early, @options) = @_;
    my $p = 'p' . ++$n;

    $t->redis('FLUSHALL');
    $t->redis('SCRIPT', 'FLUSH');
    $t->program($p, state => 'active', webhooks => 'on');
    $t->redis('HSET', "ref:person:{$p}:names", 1, 'aiko');
    $t->redis('HSET', "ref:friend:{$p}:2", 'referrer', 1);
    r(qw(hook add), $p, 'good', $r->url("$p-good"));
    r(qw(hook add), $p, 'bad', $r->url("$p-bad"));
    r(qw(hook add), $p, 'other', $r->url("$p-other"), '--events', 'nudge.due');
    $r->mode("$p-bad", '500');

    my @ids = places($t, $p, 1, 6, friend => 2);
    my $relay = Referral::Relay->start($t, '--username', 'relay',
        '--password_file', "$t->{dir}/password", '--retries', '1s,1s',
        '--probe', '1s', '--lease', '2s', '--keep', '1s', '--pause_after',
        '6s', '--metrics', "$t->{dir}/metrics", @options);
    my $ended = 0;
    my $until = sub {
        my ($sub) = @_;

        return if $ended;

        my $well = wait_for {
            $ended = $early && $early->();
            $ended || $sub->();
        } 20;

        $ended ||= !$well;
    };
    my $bad = sub { return $t->hgetall("ref:hooks:{$p}:bad") };

    $t->redis('HSET', "ref:hooks:{$p}:good", 'test', 'f' x 32);
    $until->(sub { keys %{ $r->ids("$p-good") } == @ids + 1 });
    $until->(sub { ($bad->()->{failures} // 0) > 5 });
    $r->mode("$p-bad", '200');
    $until->(sub { ($bad->()->{delivered} // 0) == @ids });
    $until->(sub { !@{ $t->redis('XRANGE', "ref:outbox:{$p}", '-', '+') } })
        if !$ended;
    $r->mode("$p-bad", '400');
    places($t, $p, 20, 30);
    $until->(sub { ($bad->()->{state} // '') eq 'paused' });
    $t->redis('DEL', "ref:outbox:{$p}");
    $r->mode("$p-bad", '200');
    r(qw(hook resume), $p, 'bad');
    $until->(sub { $bad->()->{gone} });
    $until->(sub { $t->redis('EXISTS', "ref:outbox:{$p}") });

    $relay->kill;
    $known = $relay->log;

    return !$ended;
}


user();
$t->redis('ACL', 'LOG', 'RESET');
ok(life(), 'with all of it everything is done') or diag($known);
is_deeply([ refused() ], [], 'and nothing is refused');

my %special = ('+select' => [ '--db', 3 ], '+wait' => [ '--replicas', 1 ]);

for my $word (grep { /^[+~]/ } @words) {
    if ($word =~ /^~/) {
        $t->redis('ACL', 'SETUSER', 'relay', 'reset',
                  grep { $_ ne $word } @words);

    } else {
        user('-' . substr $word, 1);
    }

    my @refused;

    # on a busy machine a life may be over before it comes to the word

    for (1 .. 3) {
        life(sub { push @refused, refused(); scalar @refused },
             @{ $special{$word} // [] });
        push @refused, refused();
        last if @refused;
    }

    ok(scalar(@refused), "without $word something is refused");
}

# others, who may read all that begins with ref:, read no secret

$t->redis('ACL', 'SETUSER', 'reader', 'on', '~ref:*', '+@all');

SKIP: {
    my $said = eval { $t->redis(qw(ACL DRYRUN reader HGETALL ref-secret:{p}:x)) };

    skip('this Redis has no ACL DRYRUN', 2) if !defined $said;

    like($said, qr/no permissions/, 'a secret is outside of ref:*');
    is($t->redis(qw(ACL DRYRUN reader HGETALL ref:hooks:{p}:x)), 'OK',
       'an endpoint is not');
}

done_testing;

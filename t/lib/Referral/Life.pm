package Referral::Life;

# A program that lives through months: Redis, nginx and the settler with one
# clock, which the test moves.
#
#   my $life = Referral::Life->new('shop', '2026-01-05 09:00', '+01:00',
#                                  links => { aiko => {} });
#   $life->go('2026-01-07 10:00');                   the clock; all due is done
#   $life->tell([ lead => 'bo', code => 'aiko' ]);   events, at that time
#   $life->refused('at_late', [ sale => 'bo', … ]);
#   $life->run(qw(wallet commit shop basket));       a command, that succeeds
#   $life->has('a lead alone', bo => 'EUR available 1000');
#   $life->end;
#
# Times are of the program's zone.  "has" compares all that anybody has: what
# it does not name must be 0.

use strict;
use warnings;

use JSON::PP;
use POSIX qw(strftime);
use Test::More ();
use Time::Local qw(timegm_modern);

use Referral;
use Referral::Cli;
use Referral::Clock;
use Referral::Settler;

my @STATES = qw(pending available reserved spent expired cancelled);

my $json = JSON::PP->new->canonical;
my $clock;


# links: code => its fields, each the referrer's of that name; fields: of the
# program; segments: of referrers

sub new {
    my ($class, $name, $start, $offset, %o) = @_;

    my $self = bless { name => $name, offset => $offset, n => 0 }, $class;

    $clock //= Referral::Clock->new;
    $clock->set($self->seconds($start));

    my $t = $self->{t} = $clock->with(sub { Referral->new });

    $t->program($name, state => 'active', utc_offset => $offset,
                %{ $o{fields} // {} });

    for my $who (@{ $o{referrers} }) {
        my $segment = $o{segments}{$who};

        $t->link($name, $who, referrer => $who);
        $t->redis('HSET', "ref:referrer:{$name}:$who", state => 'active',
                  $segment ? (segment => $segment) : ());
    }

    $t->config(log => 'notice', http => 'referral_redis %%REDIS%% timeout=3s;',
               server => <<"END");
        referral_program $name;

        location /events {
            referral_convert;
            referral_convert_auth location;
            allow 127.0.0.1;
            deny all;
        }
END
    $clock->with(sub {
        $t->start;
        $self->{settler} = Referral::Settler->start($t);
    });

    Referral::Cli->begin($t);
    $self->{now} = $start;

    # the settler takes it before the first event

    $self->run('rewards', 'set', $name,
               "$Referral::ROOT/conf/programs/$name.rules");

    return $self;
}


# a new text, as "sub" makes it of the old one

sub rules {
    my ($self, $sub) = @_;

    my $t = $self->{t};
    my $text = $t->redis('HGET', "ref:program:{$self->{name}}", 'rewards');
    my $file = $t->write_file('edited.rules', $sub->($text));

    $self->run('rewards', 'set', $self->{name}, $file, '--wait');
}


sub seconds {
    my ($self, $time) = @_;

    my ($y, $m, $d, $h, $min, $s)
        = $time =~ /^(\d+)-(\d+)-(\d+) (\d+):(\d+)(?::(\d+))?$/
        or die "$time is no time";
    my ($sign, $oh, $om) = $self->{offset} =~ /^([+-])(\d\d):(\d\d)$/;

    return timegm_modern($s // 0, $min, $h, $d, $m - 1, $y)
           - "${sign}1" * ($oh * 3600 + $om * 60);
}


sub go {
    my ($self, $time) = @_;

    $clock->set($self->seconds($time));
    $self->{now} = $time;
    $self->decided;
}


# the position is the stream's end, and what is due next is later than now

sub decided {
    my ($self) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my ($t, $p) = @$self{qw(t name)};
    my $ok = wait_for {
        my ($seconds, $micro) = @{ $t->redis('TIME') };
        my $due = $t->redis('HGET', "ref:settled:{$p}", 'next_due');

        Referral::Settler::position($t, $p)
            == Referral::Settler::last_entry($t, $p)
            && (!$due || $due > $seconds * 1000 + $micro / 1000)
    };

    Test::More::ok($ok, "all is decided at $self->{now}")
        or Test::More::diag($self->{settler}->log);
}


# [ type => customer, field => value, … ]; without a customer: undef

sub event {
    my ($self, $type, $customer, %fields) = @_;

    my $at = $self->seconds(delete $fields{at} // $self->{now});

    $fields{order_at} = strftime '%Y-%m-%dT%H:%M:%SZ',
                                 gmtime $self->seconds($fields{order_at})
        if $fields{order_at};

    return { type => $type, event_id => 'e' . ++$self->{n},
             defined $customer ? (customer => $customer) : (),
             at => strftime('%Y-%m-%dT%H:%M:%SZ', gmtime $at), %fields };
}


sub post {
    my ($self, @events) = @_;

    my $answer = $self->{t}->request('POST', '/events',
        headers => [ 'Content-Type' => 'application/json' ],
        body => $json->encode([ map { $self->event(@$_) } @events ]));

    return $json->decode($answer->body)->{results};
}


sub tell {
    my ($self, @events) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $results = $self->post(@events);
    my @not = grep { $_->{status} != 200 } @$results;

    Test::More::is(scalar(@not), 0, scalar(@events) . ' events are taken')
        or Test::More::diag(Test::More::explain(\@not));
    $self->decided;
}


sub refused {
    my ($self, $code, @events) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    Test::More::is(join(' ', map { "$_->{status} $_->{errors}[0]{code}" }
                                 @{ $self->post(@events) }),
                   join(' ', map { "422 $code" } @events), "refused: $code");
}


sub run {
    my ($self, @command) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    Test::More::is(r(@command), 0, join ' ', @command[0, 1])
        or Test::More::diag($out, $err);
    $self->decided;
}


# it is taken, and the settler does nothing of it

sub vain {
    my ($self, @command) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    Test::More::is(r(@command, '--wait'), 1,
                   join ' ', 'in vain:', @command[0, 1])
        or Test::More::diag($out, $err);
    $self->decided;
}


# ids of rewards that somebody has by a rule, of friend or order

sub rewards {
    my ($self, $owner, $rule, %is) = @_;

    return map { $_->{reward} }
           grep { my $r = $_; !grep { ($r->{$_} // '') ne $is{$_} } keys %is }
           @{ j('reward', 'list', $self->{name}, '--owner', $owner,
                '--rule', $rule) };
}


# who => "EUR available 1000 spent 5, pt pending 3"

sub has {
    my ($self, $what, %want) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my (%got, %expected);

    for my $row (@{ j('wallet', 'list', $self->{name})->{rows} }) {
        $got{"$row->{owner} $row->{unit} $_"} = $row->{$_}
            for grep { $row->{$_} } @STATES;
    }

    for my $who (keys %want) {
        for (split /, */, $want{$who}) {
            my ($unit, %sums) = split;

            $expected{"$who $unit $_"} = $sums{$_} for keys %sums;
        }
    }

    my $differs = join '; ', map {
        my ($g, $w) = ($got{$_} // 0, $expected{$_} // 0);

        $g == $w ? () : "$_ is $g, not $w";
    } sort keys %{ { %got, %expected } };

    Test::More::is($differs, '', "$self->{now}: $what");
}


# what must be so of each life

sub end {
    my ($self) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my ($t, $p) = @$self{qw(t name)};

    my $status = j('settle', 'status', $p);

    Test::More::ok($status->{position} == $status->{end}
                   && $status->{due_lag_ms} == 0, 'all is decided');

    # boards of days end, so the audit asks what day it is

    Test::More::is($clock->with(sub { r('ledger', 'audit', $p) }), 0,
                   'the audit finds nothing')
        or Test::More::diag($out, $err);

    my ($replayed, $said) = Referral::Settler::run($t, '--replay',
                                                   '--program', $p);

    Test::More::is($replayed, 0, 'a replay has the same')
        or Test::More::diag($said);

    $self->{settler}->stop;
    $t->finish;
}


1;

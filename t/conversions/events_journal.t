# protects: clicks and events lie in one directory and do not mix: each life of
# nginx finds both, events of another version of the module wait untouched, and
# the command line tells of each what it is

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Cli;
use Referral::Events;

use JSON::PP;
use Time::HiRes qw(sleep);

my $t = Referral->new;
my $e = Referral::Events->new($t);
my $journal = "$t->{dir}/journal";

Referral::Cli->begin($t);

$t->link('shop', 'aiko7', referrer => 'aiko');
$t->config(
    http => 'referral_redis %%REDIS%% timeout=1s;',
    server => <<'END',
        referral_program shop;
        referral_landing https://shop.example.com/;

        location /r/ {
            referral;
        }

        location /inside {
            referral_convert;
            referral_convert_auth location;
            allow 127.0.0.1;
            deny all;
        }
END
);


sub told {
    my ($directory) = @_;

    is(r('journal', $directory, '--json'), 0, "journal $directory");

    my %sum = map { $_ => 0 } qw(records unsent foreign);

    my $holds = $directory =~ /events\z/ ? 'events' : 'clicks';

    for my $one (grep { $_->{holds} eq $holds } @{ decode_json($out) }) {
        $sum{$_} += $one->{$_} // 0 for keys %sum;
    }

    return \%sum;
}


sub clicks { $t->hgetall('ref:stats:{shop}:aiko7')->{raw} // 0 }


# what Redis does not have

$t->start;
$t->get('/r/aiko7');
ok((wait_for { clicks() == 1 }), 'a click');

$t->redis('ACL', 'SETUSER', 'default', '-eval', '-evalsha');
$t->get('/r/aiko7') for 1 .. 4;
$e->start(count => 7);
$e->wait;
is($e->{last}{status}{202}, 7, 'events are accepted');
$t->stop('QUIT');

my $c = told($journal);

is("$c->{records} $c->{unsent}", '5 4', 'clicks that wait');
$c = told("$journal/events");
is("$c->{records} $c->{unsent} $c->{foreign}", '7 7 0', 'events that wait');
is(r('journal', '--dir', $journal, '--json'), 0, 'both at once');

my ($both) = grep { $_->{holds} eq 'events' && $_->{records} } @{ decode_json($out) };

is_deeply([ @$both{qw(records unsent)} ], [ 7, 7 ], 'the events among them');
like($both->{slot}, qr{^events/slot-\d}, 'with their folder');
r('journal', 'list', $journal);
like($out, qr{^events/slot-\d+ .* 7 .* 7 }m, 'for people too');
is(r('journal', 'check', "$journal/events"), 0, 'which are whole');
unlike("$out$err", qr/another version/, 'and of this version');

# the next life finds both

$t->start;
$t->redis('ACL', 'SETUSER', 'default', '+eval', '+evalsha');
$e->exact('events of the life before');
ok((wait_for { clicks() == 5 }), 'and its clicks');
is(told("$journal/events")->{unsent}, 0, 'none waits any more');

# damage is damage

$t->stop('QUIT');

my @segments = glob "$journal/events/slot-*/*/*.seg";
my $whole = $t->read_file($segments[0]);

{
    my $data = $whole;

    substr($data, 200, 1) ^= "\1";
    $t->write_file($segments[0], $data);
}

is(r('journal', 'check', "$journal/events"), 1, 'damage is found');
is(r('journal', 'check', $journal), 1, 'also with the clicks');
$t->write_file($segments[0], $whole);
is(r('journal', 'check', "$journal/events"), 0, 'and none where there is none');

# in the place of clicks they are another version's

my $slot = (glob "$journal/slot-*")[0];
my ($id) = $segments[0] =~ m{/([0-9a-f]{32})/};

rename "$journal/events/" . ($segments[0] =~ m{(slot-\d+)/})[0] . "/$id",
       "$slot/$id" or die "rename: $!";

$t->start;
sleep 2;
is(clicks(), 5, 'no event is a click');
ok(-e "$slot/$id", 'and they are left where they are');
ok(!-e "$journal/damaged", 'not as damaged ones');

$t->finish;
done_testing;

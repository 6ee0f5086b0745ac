# protects: the users of the manual's ACL lines (docs/redis.md) may do all that
# conversions need: nginx takes them and tells of them, the settler counts them,
# and the reports read what it counted

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Cli;
use Referral::Settler;

use Digest::SHA qw(hmac_sha256);
use JSON::PP;
use MIME::Base64 qw(encode_base64);
use POSIX qw(strftime);

my $t = Referral->new;
my $page = $t->read_file("$Referral::ROOT/docs/redis.md");
my %line;

for my $name (qw(referral settle reports)) {
    my ($line) = $page =~ /^    user $name (.*)$/m;

    ok($line, "the manual has the line of $name") or do { done_testing; exit };

    $line{$name} = [ split ' ', $line ];
}

my ($more) = $page =~ /takes \[conversions\].*?needs (.*?)\nmore\./s;

my @more = ($more // '') =~ /`(\+\S+)`/g;

ok(scalar @more, 'and what conversions need more') or do { done_testing; exit };


sub user {
    my ($name, @rules) = @_;

    $t->redis('ACL', 'SETUSER', $name, 'reset', @{ $line{$name} }, @rules);
}


# what was refused since the last time, each once

sub refused {
    my %seen;

    for my $entry (@{ $t->redis('ACL', 'LOG') }) {
        my %e = @$entry;
        $seen{"$e{username}: $e{object}"} = 1;
    }

    $t->redis('ACL', 'LOG', 'RESET');

    return [ sort keys %seen ];
}


# --- nginx ---

my $key = 'k' x 32;

$t->write_file('shops', "shop main whsec_" . encode_base64($key, '') . "\n",
               0600);
$t->write_file('password', "change-this-password\n", 0600);

$t->config(
    http => <<'END',
        referral_redis %%REDIS%% username=referral
                       password_file=%%DIR%%/password timeout=500ms;
        referral_zone 4m untracked=1s;
        referral_convert_keys %%DIR%%/shops;
END
    server => <<'END',
        referral_program shop;
        referral_landing "https://shop.example.com/";

        location /r/ {
            referral;
        }

        location /events {
            referral_convert;
        }
END
);

user('referral', @more);
user('settle');
user('reports');
$t->program('shop', state => 'active');
$t->link('shop', 'aiko7', referrer => 'aiko');
$t->redis('ACL', 'LOG', 'RESET');
$t->start;

my $json = JSON::PP->new->canonical;


sub headers {
    my ($body) = @_;

    my $at = int time;
    my $mac = encode_base64(hmac_sha256("msg_1.$at.$body", $key), '');

    return [ 'Content-Type', 'application/json', 'webhook-id', 'msg_1',
             'webhook-timestamp', $at, 'webhook-signature', "v1,$mac" ];
}


sub post {
    my $body = $json->encode({ @_ });

    return $t->request('POST', '/events', body => $body,
                       headers => headers($body));
}


sub status { return $t->get("/events/$_[0]", headers => headers("GET $_[0]")) }


my ($click) = $t->get('/r/aiko7')->header('Location') =~ /click_id=([^&]+)/;

ok((wait_for { @{ $t->redis('KEYS', 'ref:clicks:{shop}:*') } }),
   'a click is in Redis');

my @sale = (type => 'sale', event_id => 's1', customer => 'bo',
            order_id => 'o1', amount => 4990, currency => 'EUR');

is(post(type => 'lead', event_id => 'l1', customer => 'bo',
        click_id => $click)->status, 200, 'a lead');
is(post(@sale)->status, 200, 'its sale');
is(post(@sale)->status, 200, 'the same once more');
is(post(@sale, amount => 1)->status, 422, 'the same id, another sale');

my $told = status('s1');
is($told->status, 200, 'the status of the sale');
is($json->decode($told->body)->{order_id}, 'o1', 'from its entry');
is(status('none')->status, 404, 'an event that never came');

is_deeply(refused(), [], 'nothing was refused');

# an event is answered once it is in the journal, whatever Redis refuses

my $sent = 's2';

for my $without (@more) {
    user('referral', @more, "-" . substr $without, 1);

    $sent++;
    post(@sale, event_id => $sent, order_id => "o$sent");
    status('s1');

    my $missed = wait_for {
        grep { lc eq 'referral: ' . substr $without, 1 } @{ refused() };
    };

    ok($missed, "without $without something is refused");

    user('referral', @more);
    ok((wait_for { status($sent)->status == 200 }),
       'and what was sent meanwhile is kept');
}

refused();


# --- the settler ---

my @settle = ('--username', 'settle', '--password_file', "$t->{dir}/password");

is(scalar Referral::Settler::run($t, '--once', @settle), 0, 'it settles');
is(scalar Referral::Settler::run($t, '--status', @settle), 0,
   'and says where it is');
is_deeply(refused(), [], 'nothing was refused');


# --- the reports ---

Referral::Cli->begin($t);

$stdin = "bo\n";
is(r(qw(known import shop -)), 0, 'who was a customer before');

$ENV{REFERRAL_REDIS} = "redis://reports\@127.0.0.1:$t->{redis_port}";
$ENV{REFERRAL_PASSWORD_FILE} = "$t->{dir}/password";

my ($before, $today) = map { strftime('%Y-%m-%d', gmtime(time - $_)) }
                           86400, 0;

my @reports = (
    [ qw(program list) ], [ qw(program show shop) ],
    [ qw(link list shop) ], [ qw(link list shop --referrer aiko) ],
    [ qw(link show shop aiko7) ], [ qw(link test shop aiko7 --default-landing https://shop.example.com/) ],
    [ qw(link export shop) ],
    [ qw(referrer show shop aiko) ], [ qw(known test shop bo) ],
    [ qw(stats) ], [ qw(stats shop) ], [ qw(stats shop aiko7) ],
    [ qw(stats shop --by day) ], [ qw(stats shop --by country --by day) ],
    [ qw(referrer list shop) ],
    [ qw(top shop) ], [ qw(top shop --by referrers) ],
    [ qw(top shop --by referrers --of sales) ],
    [ qw(compare shop), $before, $today ], [ qw(audit shop) ],
    [ qw(click), $click ], [ qw(tail shop --no-follow) ],
    [ qw(conversions list shop) ], [ qw(conversions show shop s1) ],
    [ qw(rejects list shop) ], [ qw(friend show shop bo) ],
    [ qw(funnel shop) ], [ qw(funnel shop --by country) ],
    [ qw(ledger audit shop) ], [ qw(ledger replay shop) ],
);


# which of them do not come to the answer that they should

sub failed {
    my @failed;

    for my $report (@reports) {
        my $status = r(@$report);

        push @failed, "@$report: $status $err$out" if $status;
    }

    return \@failed;
}


is_deeply(failed(), [], 'each report is made');
is_deeply(refused(), [], 'nothing was refused');

isnt(r(qw(link add shop new --referrer new)), 0, 'but nothing is written');
is($t->redis('EXISTS', 'ref:link:{shop}:new'), 0, 'since Redis refuses it');
refused();


# asked outside of the first database, or by a report that never ends

my %special = (
    '+select' => sub {
        local $ENV{REFERRAL_REDIS} = "$ENV{REFERRAL_REDIS}/1";
        r('program', 'list');
    },
    '+xread' => sub {
        system "timeout 3 $Referral::ROOT/scripts/referral tail shop"
               . " >$t->{dir}/tail 2>&1";
    },
);


sub missed {
    my ($word) = @_;
    my ($command) = $word =~ /^\+(.*)/;

    for my $ask ($special{$word} // (), map { my $a = $_; sub { r(@$a) } }
                 reverse @reports)
    {
        $ask->();

        return 1 if grep { lc eq "reports: $command" } @{ refused() };
    }

    return 0;
}


for my $word (grep { /^\+/ } @{ $line{reports} }) {
    user('reports', '-' . substr $word, 1);
    ok(missed($word), "without $word something is refused");
}

user('reports');
$special{$_}->() for sort keys %special;
is_deeply(refused(), [], 'with all of them nothing is');

done_testing;

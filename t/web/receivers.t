# protects: the example receivers of webhooks, conf/receivers.py, against
# stand-ins of a chat, CRMs and a gift-card service: each message goes there
# once, and again only if it was not taken

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Cli;
use Referral::Relay qw(message);

use JSON::PP;

my $t = Referral->new;
my $there = Referral::Relay->receiver($t);
my $port = $t->free_port;
my $json = JSON::PP->new->canonical;
my (%secret, $pid);

Referral::Cli->begin($t);
$t->program('shop', state => 'active', webhooks => 'on');
$t->redis('HSET', 'ref:person:{shop}:names', 1, 'aiko', 2, 'b/o & <c>');
$t->redis('HSET', 'ref:friend:{shop}:2', 'referrer', 1, 'code', 'aiko7');

for my $name (qw(chat hubspot salesforce giftcard)) {
    is(r(qw(--json hook add shop), $name, "http://127.0.0.1:$port/$name"), 0,
       "an endpoint $name");
    $secret{$name} = $json->decode($out)->{secret};
}


sub up {
    $pid = $t->spawn(sub {
        $ENV{HOOK_SECRET} = join ' ', map { $secret{$_} } sort keys %secret;
        $ENV{CHAT_URL} = $there->url('slack');
        $ENV{HUBSPOT_URL} = $there->url('hub');
        $ENV{SALESFORCE_URL} = $there->url('force');
        $ENV{GIFT_URL} = $there->url('gifts');
        $ENV{"${_}_TOKEN"} = "token-$_" for qw(HUBSPOT SALESFORCE GIFT);
        open STDERR, '>>', "$t->{dir}/receivers.log";
        exec '/usr/bin/python3', '-B', "$Referral::ROOT/conf/receivers.py",
             "127.0.0.1:$port", "$t->{dir}/ids.sqlite";
    });

    ok((wait_for {
        IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port);
    }), 'they listen');
}


up();
message($t, 'shop', '1-0', type => 'referral.joined', at => 1795e9, owner => 2,
        detail => 'aiko7', id => '1' x 32);
message($t, 'shop', '2-0', type => 'reward.available', at => 1795e9,
        owner => 1, friend => 2, reward => 'ab' x 8, unit => 'EUR',
        amount => 5, rule => 'thanks', id => '2' x 32);
message($t, 'shop', '3-0', type => 'tier.reached', at => 1795e9, owner => 1,
        rule => 'silver', id => '3' x 32);
message($t, 'shop', '4-0', type => 'something.new', at => 1795e9, owner => 1,
        id => '4' x 32);

# the gift cards' service is away at first

$there->mode('gifts', '500');

my $relay = Referral::Relay->start($t, '--retries', '1s,1s,1s', '--probe',
                                   '1s');
my %want = (slack => 3, hub => 3, force => 3, gifts => 1);

for my $name (sort keys %want) {
    ok((wait_for { $there->got($name) >= $want{$name} }), "$name is told");
}

$there->mode('gifts', '200');
ok((wait_for { j(qw(hook show shop giftcard))->{delivered} == 4 }),
   'and told again what it did not take');

my %got = map { $_ => [ sort { $a->{body} cmp $b->{body} } $there->got($_) ] }
              keys %want;

is_deeply([ map { $json->decode($_->{body})->{text} } @{ $got{slack} } ],
          [ 'aiko brought b/o &amp; &lt;c&gt;', 'aiko gets 0.05 EUR (thanks)',
            'aiko is silver now' ], 'what the chat says');

is_deeply([ map { "$_->{method} $_->{path} $_->{body}" } @{ $got{hub} } ], [
    'PATCH /hub/crm/v3/objects/contacts/aiko?idProperty=customer_id {"properties":'
        . ' {"referral_last_reward": "0.05 EUR", "referral_last_rule": "thanks"}}',
    'PATCH /hub/crm/v3/objects/contacts/aiko?idProperty=customer_id {"properties":'
        . ' {"referral_tier": "silver"}}',
    'PATCH /hub/crm/v3/objects/contacts/b%2Fo%20%26%20%3Cc%3E?idProperty=customer_id'
        . ' {"properties": {"referred_by": "aiko", "referral_code": "aiko7"}}',
], 'what the first CRM gets');
is($got{hub}[0]{headers}{authorization}, 'Bearer token-HUBSPOT', 'its token');
is_deeply([ map { "$_->{path} $_->{body}" } $got{force}[1] ], [
    '/force/services/data/v59.0/sobjects/Contact/Customer_Id__c/aiko'
        . ' {"Referral_Tier__c": "silver"}' ], 'what the second gets');

is_deeply($json->decode($got{gifts}[-1]{body}), {
    external_id => 'msg_' . '2' x 32, recipient => 'aiko',
    value => { amount => 5, currency => 'EUR' },
}, 'the gift card');
is(scalar(grep { $_->{headers}{'idempotency-key'} ne 'msg_' . '2' x 32 }
               @{ $got{gifts} }), 0, 'each time with one key');

# all once more, to receivers that were started again

$t->end_child($pid);
up();
is(r(qw(hook replay shop), $_, qw(--from 1-0)), 0, "$_: replay")
    for sort keys %secret;
ok((wait_for { !grep { $_->{delivered} != 8 } @{ j(qw(hook list shop)) } }),
   'all of it is taken');
is(scalar(() = $there->got($_)), scalar @{ $got{$_} }, "$_: nothing twice")
    for sort keys %got;

# what is none of ours

my $answer = `curl -s -o /dev/null -w '%{http_code}' -H 'webhook-id: msg_1' -H 'webhook-timestamp: 1' -H 'webhook-signature: v1,AAAA' -d '{}' http://127.0.0.1:$port/chat`;

is($answer, '400', 'what is not signed is refused');
$relay->stop;

done_testing;

# protects: what stands in an outbox reaches each endpoint, signed, whatever
# receivers do meanwhile, and reaches no address that is not public

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Cli;
use Referral::Relay qw(message places);

use JSON::PP;
use Time::HiRes qw(sleep time);

my $t = Referral->new;
my $r = Referral::Relay->receiver($t);
my $json = JSON::PP->new->canonical;

Referral::Cli->begin($t);

my @QUICK = ('--retries', '1s,1s,1s,1s,1s,1s,1s,1s,1s', '--probe', '1s',
             '--lease', '2s', '--timeout', '2s');


# --- what a webhook is ---

case 'plain', sub {
    $r->program('shop', 'crm');
    message($t, 'shop', '7-0', type => 'reward.available', owner => 1,
            at => 1795000000123, reward => 'ab' x 16, unit => 'EUR',
            amount => 500, rule => 'thanks', version => 2, friend => 2,
            order => 'o-1', detail => 'ripe', id => 'cd' x 16,
            expires => 1797592000000);
    $t->redis('HSET', 'ref:friend:{shop}:2', 'referrer', 1, 'code', 'aiko7');

    my $began = time;
    my $relay = Referral::Relay->start($t, @QUICK);

    $r->came('shop-crm', 'msg_' . 'cd' x 16);

    my ($got) = $r->got('shop-crm');
    cmp_ok($got->{at} - $began, '>=', 2, 'nothing leaves that is not 2 s old');
    is($got->{headers}{'content-type'}, 'application/json', 'its type');
    like($got->{headers}{'user-agent'}, qr{^nginx-referral/[0-9.]+$}, 'agent');
    is_deeply($json->decode($got->{body}), {
        type => 'reward.available', timestamp => '2026-11-18T11:06:40.123Z',
        data => { program => 'shop', customer => 'aiko', friend => 'bo',
                  referrer => 'aiko', reward => 'ab' x 16, unit => 'EUR',
                  amount => 500, rule => 'thanks', reason => 'ripe',
                  order => 'o-1', expires => '2026-12-18T11:06:40.000Z' },
    }, 'its body') or diag($got->{body});
    ok((wait_for { $t->redis('XPENDING', 'ref:outbox:{shop}', 'crm')->[0] == 0 }),
       'it is not kept as waiting');
    is(j(qw(hook show shop crm))->{delivered}, 1, 'it is counted')
        or diag($err);

    is(r(qw(hook test shop crm)), 0, 'a test') or diag("$err$out");
    is_deeply($json->decode(($r->got('shop-crm'))[-1]{body})->{data},
              { program => 'shop', endpoint => 'crm' }, 'comes');
    $relay->stop;
};

# --- receivers that fail ---

my @FAULTS = ('500', '404', 'slow 5', 'garbage', 'close', 'reset', 'half',
              'drip', 'headers', '302', '503 soon');

case 'faults', sub {
    my %mode = map { ($FAULTS[$_] =~ s/\W.*//r) . $_ => $FAULTS[$_] }
                   0 .. $#FAULTS;

    $mode{redirect} = 'redirect ' . $r->url('inner');
    $r->program('faults', 'fine', 'flood', sort keys %mode);
    $r->mode("faults-$_", $mode{$_}) for keys %mode;
    $r->mode('faults-flood', 'flood');

    my @ids = places($t, 'faults', 1, 20);
    my $relay = Referral::Relay->start($t, @QUICK);
    my $began = time;

    $r->once('faults-fine', @ids);
    cmp_ok(time - $began, '<', 10 * patience,
           'an endpoint that is well waits for none of the others');
    $r->came('faults-flood', @ids);

    for my $name (sort keys %mode) {
        ok((wait_for { $r->got("faults-$name") }), "$name was tried");
    }

    ok((wait_for { j(qw(hook show faults redirect))->{last} eq '302' }),
       'a redirect is a failure');
    sleep 3;

    my %last = map { $_ => j(qw(hook show faults), $_)->{last} }
                   sort keys %mode;

    is_deeply(\%last, {
        '5000' => '500', '4041' => '404', slow2 => 'timeout',
        garbage3 => 'bad-answer', close4 => 'bad-answer',
        reset5 => 'no-connection', half6 => 'bad-answer', drip7 => 'timeout',
        headers8 => 'bad-answer', '3029' => '302', '50310' => '503',
        redirect => '302',
    }, 'what became of it') or diag(explain(\%last));

    $r->mode("faults-$_", '200') for keys %mode;
    $r->came("faults-$_", @ids) for sort keys %mode;
    is(scalar $r->got('inner'), 0, 'nothing followed the redirect');

    ok((wait_for {
        !grep { $_->{retrying} || $_->{waiting} || $_->{dead} }
            @{ j(qw(hook list faults)) };
    }), 'nothing waits any more');
    unlike($relay->log, qr/[^\n -~]|HTTP|\[31m/, 'nothing of an answer is logged');

    my @lines = $relay->log =~ /endpoint "5000": (fails|takes)/g;
    is_deeply([ sort @lines ], [ 'fails', 'takes' ],
              'a line when it fails and one when it is back')
        or diag($relay->log);
    $relay->stop;
};


case 'later', sub {
    $r->program('later', 'crm');
    $r->mode('later-crm', '429 4');

    my @ids = places($t, 'later', 1, 3);
    my $relay = Referral::Relay->start($t, @QUICK, '--connections', 1);

    ok((wait_for { $r->got('later-crm') }), 'it is asked');
    $r->mode('later-crm', '200');
    $r->came('later-crm', @ids);

    my @at = map { $_->{at} } $r->got('later-crm');

    cmp_ok($at[1] - $at[0], '>=', 3.9, 'and not before the time that it said');
    is(scalar @at, 4, 'nothing else was sent meanwhile');
    $relay->stop;
};


case 'gone', sub {
    $r->program('gone', 'crm');
    $r->mode('gone-crm', '410');

    my @ids = places($t, 'gone', 1, 3);
    my $relay = Referral::Relay->start($t, @QUICK, '--connections', 1);

    ok((wait_for { j(qw(hook show gone crm))->{state} eq 'disabled' }),
       '410 disables');
    is(j(qw(hook show gone crm))->{why}, 'it answered 410', 'and says why');
    sleep 2;
    is(scalar $r->got('gone-crm'), 1, 'nothing more is sent');
    $r->mode('gone-crm', '200');
    is(r(qw(hook resume gone crm)), 0, 'resumed');
    $r->came('gone-crm', @ids);
    $relay->stop;
};


case 'poison', sub {
    $r->program('poison', 'crm');
    $r->mode('poison-crm', 'poison deadbeef');

    my @ids = places($t, 'poison', 1, 10);
    my ($bad) = places($t, 'poison', 11, 11, order => 'deadbeef');
    my @more = places($t, 'poison', 12, 30);
    my $relay = Referral::Relay->start($t, @QUICK, '--retries', '1s,1s');

    $r->came('poison-crm', @ids, $bad, @more);
    ok((wait_for { j(qw(hook show poison crm))->{dead} == 1 } 20),
       'one that is never taken is given up');

    my $shown = j(qw(hook show poison crm));
    is_deeply([ map { @$_{qw(id state tries last type)} }
                    @{ $shown->{messages} } ],
              [ $bad, 'dead', 3, '500', 'reward.available' ],
              'and can be looked at');
    is($r->ids('poison-crm')->{$bad}, 3, 'after three tries');
    is(r(qw(hook show poison crm)), 0, 'for people');
    like($out, qr/\Q$bad\E/, 'too');
    like($relay->log, qr/message 11-0 is given up after 3 tries, the last one: 500/, 'the log says it');

    $r->mode('poison-crm', '200');
    is(r(qw(hook replay poison crm --dead)), 0, 'once more');
    ok((wait_for { $r->ids('poison-crm')->{$bad} == 4 }), 'it comes');
    ok((wait_for { !j(qw(hook show poison crm))->{dead} }), 'and is done');
    is(join(' ', $r->torn('poison-crm')), '', 'with one content');
    $relay->stop;
};


# an endpoint that is down does not use up what its messages have of tries,
# is paused in the end, and loses nothing

case 'days', sub {
    $r->program('days', 'crm');
    $r->mode('days-crm', '500');

    my @ids = places($t, 'days', 1, 30);
    my $relay = Referral::Relay->start($t, @QUICK, '--retries', '1s,1s',
                                       '--pause_after', '8s');

    ok((wait_for { j(qw(hook show days crm))->{state} eq 'paused' } 30),
       'it is paused');
    is(() = $relay->log =~ /is paused/g, 1, 'which is said once');

    my $shown = j(qw(hook show days crm));
    is($shown->{dead}, 0, 'nothing was given up');
    is($shown->{waiting} + $shown->{retrying}, 30, 'nothing was lost');

    my $tries = $r->got('days-crm');
    sleep 3;
    is(scalar $r->got('days-crm'), $tries, 'nothing is sent any more');

    $r->mode('days-crm', '200');
    is(r(qw(hook resume days crm)), 0, 'resumed');
    $r->came('days-crm', @ids);
    ok((wait_for { !j(qw(hook show days crm))->{retrying} }), 'all is done');
    $relay->stop;
};


case 'replay', sub {
    $r->program('again', 'crm', 'other');

    my @ids = places($t, 'again', 1, 20);
    my $relay = Referral::Relay->start($t, @QUICK);

    $r->once('again-crm', @ids);
    is(r(qw(hook replay again crm --from 11-0)), 0, 'replay');
    like($out, qr/10 messages come again/, 'says how many');
    ok((wait_for { 30 == $r->got('again-crm') }), 'they come');
    is($r->ids('again-crm')->{$ids[9]}, 1, 'not the one before');
    is($r->ids('again-crm')->{$ids[10]}, 2, 'the first');
    is(join(' ', $r->torn('again-crm')), '', 'with the same content');
    is(scalar(() = $r->got('again-other')), 20, 'and to nobody else');

    message($t, 'again', '30-2', type => 'nudge.due', id => 'ee' x 16,
            at => int(time * 1000), owner => 1, rule => 'buy');
    $r->came('again-crm', 'msg_' . 'ee' x 16);
    is(r(qw(hook replay again crm --since 1h)), 0, 'by time');
    like($out, qr/1 message comes again/, 'one is as young');
    is(r(qw(hook replay again crm)), 2, 'from where?');
    is(r(qw(hook replay again none --dead)), 1, 'no such endpoint');
    $relay->stop;
};


case 'forgotten', sub {
    $r->program('quiet', 'crm');
    $r->mode('quiet-crm', '500');

    my ($id) = places($t, 'quiet', 1, 1);
    my $relay = Referral::Relay->start($t, @QUICK);

    ok((wait_for { $r->got('quiet-crm') }), 'it is tried');
    $t->redis('HDEL', 'ref:person:{quiet}:names', 1);
    $r->mode('quiet-crm', '200');
    ok((wait_for { j(qw(hook show quiet crm))->{delivered} }), 'and taken');

    my @who = map { $json->decode($_->{body})->{data}{customer} }
                  $r->got('quiet-crm');

    is($who[0], 'aiko', 'a customer');
    is($who[-1], undef, 'who was forgotten is nobody in what is sent later');
    $relay->stop;
};


# names and types that somebody wrote by hand

case 'hostile', sub {
    $r->program('odd', 'crm');
    $t->redis('SADD', 'ref:programs', "x\n[crit] all is lost", '{', 'a' x 70);
    $t->redis('SADD', 'ref:hooks:{odd}', "y\n[crit] lost", 'x' x 40);
    $t->redis('SET', 'ref:hooks:{odd}:string', 'none');
    $t->redis('SADD', 'ref:hooks:{odd}', 'string');
    message($t, 'odd', '1-0', type => "x\r\nEvil: 1", id => "a\r\nb: c", at => -5);
    message($t, 'odd', '2-0', type => "\xff\xfe", id => "\xff", owner => 'x',
            amount => '1e99', at => '9' x 30, due => 'soon');
    $t->redis('XADD', 'ref:outbox:{odd}', '3-0', 'nothing', 'here');

    my ($id) = places($t, 'odd', 4, 4);
    my $relay = Referral::Relay->start($t, @QUICK);

    $r->came('odd-crm', $id);
    is(join(' ', grep { $_ ne $id } keys %{ $r->ids('odd-crm') }), '',
       'what has no id is not sent');
    unlike($relay->log, qr/^\S+ \[crit\]|^\[crit\]|Evil/m, 'the log is its own');
    ok((wait_for { j(qw(hook show odd crm))->{lost} == 3 }), 'it is counted');
    like($relay->log, qr/WRONGTYPE/, 'a key of another type is told');
    is(() = $relay->log =~ /WRONGTYPE/g, 1, 'once');
    $relay->stop;
};


# --- what signs ---

my $DOC = $t->read_file("$Referral::ROOT/docs/webhooks.md");


# does the manual's code in this language take what came?

sub verifies {
    my ($language, $secret, $got, $change) = @_;

    my ($code) = $DOC =~ /^```\Q$language\E\n(.*?)^```$/ms or die;
    my %run = (
        python => [ '/usr/bin/python3', <<'END' ],
import json, sys
got = json.load(open(sys.argv[1]))
sys.exit(not verify(sys.argv[2], got["headers"], got["body"].encode()))
END
        js => [ 'node', <<'END' ],
const got = JSON.parse(require('node:fs').readFileSync(process.argv[2]));
process.exit(verify(process.argv[3], got.headers, Buffer.from(got.body)) ? 0 : 1);
END
        php => [ 'php', <<'END' ],
$got = json_decode(file_get_contents($argv[1]), true);
exit(verify($argv[2], $got['headers'], $got['body']) ? 0 : 1);
END
    );

    my ($binary, $call) = @{ $run{$language} };

    $got = { %$got, headers => { %{ $got->{headers} } } };
    $change->($got) if $change;
    $t->write_file('message.json', $json->encode($got));

    my $file = $t->write_file("verify.$language", $code . $call);
    my $status = system $binary, $file, "$t->{dir}/message.json", $secret;

    return $status == 0 ? 1 : $status >> 8 == 1 ? 0 : die "$binary: $status";
}


sub has { return !system "command -v $_[0] >/dev/null" }


case 'signature', sub {
    $t->program('signed', state => 'active', webhooks => 'on');
    is(r(qw(--json hook add signed crm), $r->url('signed-crm')), 0, 'add');

    my $secret = $json->decode($out)->{secret};

    like($secret, qr{^whsec_[A-Za-z0-9+/]{43}=$}, 'a secret');
    is(r(qw(hook show signed crm)), 0, 'show');
    unlike("$out$err", qr/whsec_/, 'which is not shown again');

    my ($id) = places($t, 'signed', 1, 1, detail => "\x{c3}\x{bc}\"\\\n");
    my $relay = Referral::Relay->start($t, @QUICK);

    $r->came('signed-crm', $id);

    my ($got) = $r->got('signed-crm');
    my %languages = (python => 'python3', js => 'node', php => 'php');

    unlike($got->{headers}{'webhook-id'}, qr/\./, 'no dot in the id');
    cmp_ok(abs(time - $got->{headers}{'webhook-timestamp'}), '<', 60, 'time');

    for my $language (sort keys %languages) {
        SKIP: {
            skip("$language is not installed", 4)
                unless has($languages{$language});

            ok(verifies($language, $secret, $got), "$language verifies it");
            ok(!verifies($language, 'whsec_' . 'A' x 44, $got),
               'not with another secret');
            ok(!verifies($language, $secret, $got,
                         sub { $_[0]{body} =~ s/100/101/ }),
               'not another body');
            ok(!verifies($language, $secret, $got, sub {
                $_[0]{headers}{'webhook-timestamp'} -= 301;
            }), 'not another time');
        }
    }

    # the package of the specification's authors, where it is installed

    SKIP: {
        skip('npm\'s standardwebhooks is not installed', 1)
            if !has('node')
               || system q(node -e 'require("standardwebhooks")' 2>/dev/null);

        my $file = $t->write_file('official.js', <<'END');
const { Webhook } = require('standardwebhooks');
const got = JSON.parse(require('node:fs').readFileSync(process.argv[2]));
new Webhook(process.argv[3]).verify(got.body, got.headers);
END
        $t->write_file('message.json', $json->encode($got));
        is(system('node', $file, "$t->{dir}/message.json", $secret), 0,
           'standardwebhooks verifies it');
    }

    # two secrets while the receiver learns the new one

    is(r(qw(--json hook rotate signed crm --overlap 4s)), 0, 'rotate');

    my $new = $json->decode($out)->{secret};

    isnt($new, $secret, 'another');
    $r->came('signed-crm', places($t, 'signed', 2, 2));
    $got = ($r->got('signed-crm'))[-1];
    is(scalar(() = $got->{headers}{'webhook-signature'} =~ /v1,/g), 2,
       'two signatures');
    ok(verifies('python', $secret, $got), 'the former holds');
    ok(verifies('python', $new, $got), 'and the new one');
    sleep 3;
    $r->came('signed-crm', places($t, 'signed', 3, 3));
    $got = ($r->got('signed-crm'))[-1];
    is(scalar(() = $got->{headers}{'webhook-signature'} =~ /v1,/g), 1, 'later one');
    ok(!verifies('python', $secret, $got), 'the former is over');
    ok(verifies('python', $new, $got), 'the new one holds');
    unlike($relay->log, qr/whsec_|\Q$secret\E/, 'no secret in the log');
    $relay->stop;
};


# --- where it does not connect to ---

case 'addresses', sub {
    my $script = $t->write_file('guard.py', <<'END');
import ipaddress, sys
from nginx_referral.relay.address import Forbidden, Guard
plain, more = Guard(), Guard(allowed=[ipaddress.ip_network("10.1.0.0/16")],
                             ports=[9443], loopback=True)
no = """0.0.0.0 10.0.0.1 100.64.0.1 127.0.0.1 127.8.8.8 169.254.169.254
172.16.0.1 172.31.255.255 192.0.0.8 192.0.2.1 192.168.1.1 198.18.0.1
198.51.100.7 203.0.113.9 224.0.0.1 239.1.1.1 240.0.0.1 255.255.255.255
168.63.129.16 :: ::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254
::127.0.0.1 64:ff9b::7f00:1 64:ff9b:1::1 100::1 fc00::1 fd00:ec2::254 fe80::1
fe80::1%lo ff02::1 2001::1 2001:db8::1 2002:7f00:1::1 3fff::1 name 1.2.3
0177.0.0.1 127.1 2130706433""".split()
yes = "1.1.1.1 8.8.8.8 172.32.0.1 100.128.0.1 ::ffff:8.8.8.8 2606:4700::1".split()
bad = [a for a in no if plain.permits(a)] + [a for a in yes if not plain.permits(a)]
bad += [a for a in ("10.1.2.3", "127.0.0.1", "::1", "::ffff:10.1.2.3") if not more.permits(a)]
bad += [a for a in ("10.2.0.1", "169.254.169.254", "fd00::1") if more.permits(a)]
bad += [p for p in (22, 80, 6379, 9443) if plain.permits_port(p)]
bad += [p for p in (443, 8443) if not plain.permits_port(p)]
for guard, port, is_plain in ((plain, 443, False), (plain, 6379, False),
                              (Guard(allowed=more.allowed), 443, True)):
    for name in ("localhost", "127.0.0.1", "0x7f.1", "2130706433", "[::1]"):
        try:
            guard.resolve(name, port, is_plain)
            bad.append((name, port))
        except (Forbidden, OSError):
            pass
print(*bad)
END
    local $ENV{PYTHONPATH} = "$Referral::ROOT/scripts";

    is(`/usr/bin/python3 -B $script 2>&1`, "\n",
       'what is public, and what is not');

    # the name of this machine is a public URL to look at

    for my $url ('http://example.com/', 'https://u:p@example.com/',
                 'https://example.com/#x', 'ftp://example.com/', 'https:///x',
                 "https://example.com/\x01", 'https://example.com:99999/',
                 'https://ex ample.com/', 'example.com', '',
                 'https://example.com/' . 'x' x 2048)
    {
        $t->program('where', state => 'active', webhooks => 'on');
        is(r(qw(hook add where x), $url), 3, 'refused: ' . substr $url =~ s/[^ -~]/?/gr, 0, 40);
    }

    is(r(qw(hook add where X https://example.com/)), 3, 'a name');
    is(r(qw(hook add where x https://example.com/ --events sale)), 3, 'a type');

    # without --loopback

    is(r(qw(hook add where plain), $r->url('where-plain')), 0, 'http here');
    is(r(qw(hook add where tls), "https://localhost:$r->{port}/where-tls"), 0,
       'https here');
    is(r(qw(hook add where meta https://169.254.169.254/latest)), 0, 'meta');
    places($t, 'where', 1, 1);

    my $relay = Referral::Relay->start($t, @QUICK, '--loopback', 'off');

    for my $name (qw(plain tls meta)) {
        ok((wait_for { (j(qw(hook show where), $name)->{last} // '')
                       eq 'forbidden-address' }), "nothing is sent to $name");
    }

    is(scalar(() = $r->got("where-$_")), 0, "$_ got nothing") for qw(plain tls);
    $relay->stop;
};


case 'tls', sub {
    my $pem = "$t->{dir}/receiver.pem";

    is(system("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj"
              . " /CN=localhost -addext subjectAltName=DNS:localhost"
              . " -keyout $pem.key -out $pem.crt 2>/dev/null"
              . " && cat $pem.key $pem.crt > $pem"), 0, 'a certificate');

    my $tls = Referral::Relay->receiver($t, $pem);
    my $url = "https://localhost:$tls->{port}/tls";

    $t->program('tls', state => 'active', webhooks => 'on');
    is(r(qw(hook add tls good), "$url-good"), 0, 'https');
    is(r(qw(hook add tls name), "https://127.0.0.1:$tls->{port}/tls-name"), 0,
       'another name than the certificate has');
    is(r(qw(hook add tls none), "https://localhost:$r->{port}/tls-none"), 0,
       'no TLS there');

    my ($id) = places($t, 'tls', 1, 1);
    my $relay = Referral::Relay->start($t, @QUICK, '--ca_file', "$pem.crt");

    $r->once('tls-good', $id);

    my %why = (name => 'bad-certificate', none => 'tls-failed');

    for my $name (sort keys %why) {
        ok((wait_for { (j(qw(hook show tls), $name)->{last} // '')
                       eq $why{$name} }), "$name: $why{$name}");
    }

    $relay->stop;

    # and an authority that nobody knows

    is(r(qw(hook replay tls good --from 1-0)), 0, 'again');

    $relay = Referral::Relay->start($t, @QUICK);
    ok((wait_for { j(qw(hook show tls good))->{last} eq 'bad-certificate' }),
       'a certificate is checked');
    is($r->ids('tls-good')->{$id}, 1, 'and nothing went there');
    $relay->stop;
    $tls->down;
};

done_testing;

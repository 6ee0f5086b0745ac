package Referral::Clicks;

# Load on a Referral instance, and the oracle: what clients know of their
# clicks against what Redis says of them, of all loads together.
#
#   my ($t, $c) = Referral::Clicks->instance(workers => 2);
#   $c->start(seconds => 10, rate => 1000);
#   …                                         the fault
#   $c->wait;
#   $c->counted('worker killed');             answered <= counted <= sent
#   $c->exact('Redis hangs');                 the same three, equal
#
# Every click that was answered is looked for by its click id: in the stream
# exactly once, in the hour and the day that it names, and in the sums of each
# key.
#
# With instance(mixed => 1) there are all kinds of hits, three programs and
# fifty links, some of which lead nowhere.

use strict;
use warnings;

use POSIX qw(:sys_wait_h strftime);
use Test::More ();
use Time::HiRes qw(sleep time);

use Referral::Proxy;

our $CODES = 20;

my %country = (1 => 'JP', 2 => 'BR', 3 => 'DE', 4 => 'US', 5 => 'GB',
               6 => 'KR', 7 => 'FR');

# of the browsers in clicks.c

my @device = qw(desktop mobile mobile mobile desktop desktop);

my @classes = qw(clicks missed duplicate bot preview prefetch head excluded);

# links that lead nowhere, by their code

my %nowhere = (
    over => [ 'ended', ends => '2020-01-01' ],
    soon => [ 'not_started', starts => '2099-01-01' ],
    off  => [ 'disabled', state => 'disabled' ],
    away => [ 'refused', landing => 'https://elsewhere.example.net/' ],
);

my $seed = $ENV{TEST_SEED} // time;


# An instance with two programs and its oracle, started.  Beside the parts of
# config(): journal, redis, zone: parameters of these directives; proxy: a
# Referral::Proxy stands before Redis, in $c->{proxy}.

sub instance {
    my ($class, %o) = @_;

    my $t = Referral->new;
    my $mixed = delete $o{mixed};
    my $c = $class->new($t, shop => '/r/', club => '/s/');

    $c->mixed if $mixed;
    $c->links;

    $c->{proxy} = Referral::Proxy->new($t) if delete $o{proxy};

    $t->config($c->parts(%o));
    $t->start;

    return ($t, $c);
}


sub parts {
    my ($self, %o) = @_;

    my $port = $self->{proxy} ? $self->{proxy}{port} : '%%REDIS_PORT%%';
    my $journal = delete $o{journal} // '';
    my $redis = delete $o{redis} // '';
    my $zone = delete $o{zone} // '4m untracked=1s';
    my $http = delete $o{http} // '';
    my $mixed = $self->{mixed} ? <<'END' : '';
            referral_fallback "https://shop.example.com/why/{result}";
            referral_exclude $http_x_staff;

            location /p/ {
                referral rest;
            }
END

    return (
        workers => 2,
        log => 'notice',
        %o,
        http => <<"END",
            access_log off;
            referral_geoip %%GEO%%/city.mmdb;
            referral_redis 127.0.0.1:$port $redis;
            referral_zone $zone;
            referral_journal %%DIR%%/journal $journal;
            $http
END
        server => <<"END",
            referral_landing "https://shop.example.com/";
            referral_landing_args "ref={code}&click_id={click_id}";
$mixed
            location /r/ {
                referral shop;
            }

            location /s/ {
                referral club;
            }
END
    );
}


sub new {
    my ($class, $t, %programs) = @_;

    my $self = bless {
        t => $t, programs => \%programs, paths => [], where => {},
        sent => {}, answered => {}, ids => {}, cut => 0, other => 0,
        nsent => 0, nanswered => 0, except => {},
    }, $class;

    for my $program (sort keys %programs) {
        for my $n (1 .. $CODES) {
            my $path = "$programs{$program}c$n";

            push @{ $self->{paths} }, $path;
            $self->{where}{$path} = [ $program, "c$n" ];
        }
    }

    return $self;
}


sub mixed {
    my ($self) = @_;

    $self->{mixed} = 1;
    $self->{programs}{rest} = '/p/';

    for my $program (qw(shop club)) {
        for my $code (sort keys %nowhere) {
            $self->nowhere($program, $code, @{ $nowhere{$code} });
        }
    }

    $self->nowhere('rest', $_, 'paused') for qw(c1 c2);
    $self->{t}->redis('HSET', 'ref:program:{rest}', 'state', 'paused');
}


sub nowhere {
    my ($self, $program, $code, $result, @fields) = @_;

    my $path = "$self->{programs}{$program}$code";

    push @{ $self->{paths} }, "$path=$result";
    $self->{where}{$path} = [ $program, $code, $result ];
    $self->{fields}{$path} = \@fields;
}


sub links {
    my ($self) = @_;

    my $t = $self->{t};

    for my $path (keys %{ $self->{where} }) {
        my ($program, $code) = @{ $self->{where}{$path} };

        $t->redis('HSET', "ref:link:{$program}:$code", 'referrer', "of-$code",
                  @{ $self->{fields}{$path} // [] });
    }
}


# of one program

sub codes {
    my ($self, $program) = @_;

    return sort map { $_->[1] } grep { $_->[0] eq $program }
                                     values %{ $self->{where} };
}


# built once for all tests

sub binary {
    my $source = "$Referral::ROOT/t/lib/clicks.c";
    my $binary = "$Referral::ROOT/build/clicks";

    if (!-x $binary || -M $source < -M $binary) {
        mkdir "$Referral::ROOT/build";

        system($ENV{CC} // 'cc', qw(-std=gnu11 -O2 -Wall -Wextra -Werror -o),
               "$binary.$$", $source) == 0
            or die "$source does not compile\n";

        rename "$binary.$$", $binary or die "$binary: $!\n";
    }

    return $binary;
}


sub start {
    my ($self, %o) = @_;

    my $t = $self->{t};
    my $binary = binary();

    my $load = { file => "$t->{dir}/clicks." . ++$self->{loads} };

    $load->{pid} = $t->spawn(sub {
        exec $binary, $t->port, int($seed++), $o{connections} // 16,
             $o{rate} // 800, $o{seconds} // 60, $o{count} // 0,
             $load->{file}, $self->{mixed} ? 'mixed' : (),
             @{ $o{paths} // $self->{paths} };
        die "$binary: $!";
    });

    $seed++;

    push @{ $self->{running} }, $load;

    return $load;
}


sub stop {
    my ($self) = @_;

    kill 'TERM', $_->{pid} for @{ $self->{running} };

    return $self->wait;
}


# for all loads that were started, and takes what they tell

sub wait {
    my ($self) = @_;

    for my $load (splice @{ $self->{running} // [] }) {
        ended($load, 0);

        @{ $self->{t}{children} }
            = grep { $_ != $load->{pid} } @{ $self->{t}{children} };

        die "clicks failed\n" if $load->{status} || !-s $load->{file};

        $self->read($load);
    }

    return $self;
}


# is any load still running?

sub running {
    my ($self) = @_;

    return scalar grep { !ended($_, WNOHANG) } @{ $self->{running} // [] };
}


sub ended {
    my ($load, $flags) = @_;

    $load->{status} = $?
        if !defined $load->{status} && waitpid($load->{pid}, $flags) > 0;

    return defined $load->{status};
}


sub read {
    my ($self, $load) = @_;

    open my $f, '<', $load->{file} or die "$load->{file}: $!";

    while (<$f>) {
        my ($what, @v) = split;

        if ($what eq 'total') {
            @$load{qw(sent answered other cut)} = @v;
            $self->{nsent} += $v[0];
            $self->{nanswered} += $v[1];
            $self->{other} += $v[2];
            $self->{cut} += $v[3];

        } elsif ($what eq 'latency') {
            @$load{qw(p50 p99 max)} = @v;

        } elsif ($what eq 'hits') {
            my ($path, $kind, $net, $agent, $sent, $answered) = @v;
            my ($program, $code, $result) = @{ $self->{where}{$path} };
            my $person = $kind eq 'person' || $kind eq 'again';

            my @fields = ('raw', !$person ? $kind
                               : $result  ? ('missed', "missed:$result")
                                          : ('clicks', "country:$country{$net}",
                                             "device:$device[$agent]"));

            for (['sent', $sent], ['answered', $answered]) {
                my ($which, $n) = @$_;
                my $c = $self->{$which}{$program}{$code} //= {};

                $c->{$_} += $n for @fields;

                $self->{people}{$which}{$program} += $n
                    if $kind eq 'person' && !$result;
            }

        } elsif ($what eq 'new') {
            my ($path, $sent, $answered) = @v;
            my ($program, $code) = @{ $self->{where}{$path} };

            $self->{sent}{$program}{$code}{visitors} += $sent;
            $self->{answered}{$program}{$code}{visitors} += $answered;

        } elsif ($what eq 'id') {
            my ($program, $code) = @{ $self->{where}{$v[0]} };
            my ($high, $low) = map { hex } (split /-/, $v[1])[0, 1];
            my $second = int(($high * 65536 + $low) / 1000);

            $self->{twice}++ if $self->{ids}{$program}{$v[1]}++;

            $self->{times}{$program}{"$code $_"}++
                for 'hours ' . strftime('%Y-%m-%dT%H', gmtime $second),
                    'days ' . strftime('%Y-%m-%d', gmtime $second);
        }
    }

    $self->{last} = $load;
}


# codes that no sum can be expected of

sub except {
    my ($self, $program, @codes) = @_;

    $self->{except}{$program}{$_} = 1 for @codes;
}


sub hash {
    my ($self, $key) = @_;

    my $list = eval { $self->{t}->redis('HGETALL', $key) };

    return $list ? { @$list } : {};
}


sub sum {
    my $n = 0;
    $n += $_ for @_;
    return $n;
}


# hits that Redis counted, of all links

sub total {
    my ($self) = @_;

    my $n = 0;

    for my $where (values %{ $self->{where} }) {
        my ($program, $code) = @$where;

        next if $self->{except}{$program}{$code};

        $n += eval {
            $self->{t}->redis('HGET', "ref:stats:{$program}:$code", 'raw');
        } // 0;
    }

    return $n;
}


# of the codes that count

sub known {
    my ($self, $which) = @_;

    my $n = 0;

    for my $program (keys %{ $self->{$which} }) {
        for my $code (keys %{ $self->{$which}{$program} }) {
            $n += $self->{$which}{$program}{$code}{raw} // 0
                unless $self->{except}{$program}{$code};
        }
    }

    return $n;
}


# until what was answered is counted, and nothing comes after it: that takes
# five seconds, if nothing else is said, of a machine that has time

sub quiet {
    my ($self, $seconds) = @_;

    my $want = $self->known('answered');
    my $end = time + ($seconds // 5) * Referral::patience();
    my ($n, $since) = (-1, time);

    while (time < $end) {
        my $now = $self->total;

        ($n, $since) = ($now, time) if $now != $n;

        last if $n >= $want && time - $since > 0.6;

        sleep 0.05;
    }

    return $n;
}


sub counted {
    my ($self, $name, %o) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    $self->wait;
    $self->quiet($o{quiet});

    my @wrong = $self->wrong($o{exact});
    my ($sent, $answered) = ($self->known('sent'), $self->known('answered'));
    my $n = $self->total;

    my $ok = Test::More::ok(!@wrong, $name);

    if (!$ok) {
        splice @wrong, 20 if @wrong > 20;
        Test::More::diag($_) for @wrong;
    }

    Test::More::note(sprintf '%-40s sent %6d  answered %6d  counted %6d  '
        . 'lost %d  doubled %d  p99 %.1f ms', $name, $sent, $answered, $n,
        $self->{lost}, $self->{doubled}, ($self->{last}{p99} // 0) / 1000);

    return $ok;
}


sub exact {
    my ($self, $name, %o) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return $self->counted($name, exact => 1, %o);
}


# that the operators' own audit finds no difference either

sub audited {
    my ($self, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    local $ENV{REFERRAL_REDIS} = "unix://$self->{t}{redis_socket}";
    local $ENV{PYTHONPYCACHEPREFIX} = "$Referral::ROOT/build/pycache";

    for my $program (sort keys %{ $self->{programs} }) {
        my $output = `$Referral::ROOT/scripts/referral audit $program 2>&1`;

        Test::More::is($? >> 8, 0, "$name: the audit of $program")
            or Test::More::diag($output);
    }
}


# what does not hold, in words

sub wrong {
    my ($self, $exact) = @_;

    my $t = $self->{t};
    my @wrong;

    my $is = sub {
        my ($what, $n, $low, $high) = @_;

        $n //= 0;
        $low //= 0;
        $high //= 0;
        $high = $low if $exact;

        push @wrong, "$what: counted $n, answered $low, sent $high"
            if $n < $low || $n > $high;
    };

    push @wrong, "$self->{cut} requests were cut off"
        if $exact && $self->{cut};
    push @wrong, "$self->{other} answers are no 302" if $self->{other};
    push @wrong, 'a click id was given twice' if $self->{twice};

    $self->{lost} = $self->{doubled} = 0;

    for my $program (sort keys %{ $self->{programs} }) {
        my $sent = $self->{sent}{$program} // {};
        my $answered = $self->{answered}{$program} // {};
        my $except = $self->{except}{$program} // {};
        my %counted;

        for my $code ($self->codes($program)) {
            my $stats = $self->hash("ref:stats:{$program}:$code");

            $counted{$code} = $stats;

            next if $except->{$code};

            my %fields = (%{ $sent->{$code} // {} },
                          map { $_ => 0 } qw(raw clicks),
                          $self->{mixed} ? @classes : ());

            for my $field (sort keys %fields) {
                $is->("$program $code $field", $stats->{$field},
                      $answered->{$code}{$field}, $sent->{$code}{$field});
            }

            my $days = sum(values %{ $self->hash(
                                         "ref:days:{$program}:$code") });
            push @wrong, "$program $code: days have $days"
                if $days != ($stats->{clicks} // 0);
        }

        push @wrong, $self->sums($program, \%counted);
        push @wrong, $self->times($program, $exact);
        push @wrong, $self->stream($program, \%counted);

        $is->("$program visitors",
              $self->hash("ref:stats:{$program}")->{visitors},
              map { $self->{people}{$_}{$program} } qw(answered sent))
            unless %$except;
    }

    return @wrong;
}


# the program's own keys against those of its links

sub sums {
    my ($self, $program, $counted) = @_;

    my $t = $self->{t};
    my @wrong;

    return if %{ $self->{except}{$program} // {} };

    my $stats = $self->hash("ref:stats:{$program}");
    my %days;

    for my $key (@{ $t->redis('KEYS', "ref:day:{$program}:*") }) {
        my $day = $self->hash($key);
        $days{$_} += $day->{$_} for keys %$day;
    }

    # whom a link or a day finds new, the program may know

    my %fields = map { $_ => 1 } map { keys %$_ } $stats, \%days,
                                                  values %$counted;

    for my $field (grep { !/^(?:visitors$|fields:)/ } sort keys %fields) {
        my $links = sum(map { $_->{$field} // 0 } values %$counted);

        for (['stats', $stats], ['day', \%days]) {
            my ($what, $hash) = @$_;
            my $n = $hash->{$field} // 0;

            push @wrong, "$program $what $field: $n, links have $links"
                if $n != $links;
        }
    }

    my $raw = sum(map { $stats->{$_} // 0 } @classes);

    push @wrong, "$program raw: $stats->{raw}, its classes have $raw"
        if ($stats->{raw} // 0) != $raw;

    my $clicks = $stats->{clicks} // 0;

    my %same = (
        days  => sum(values %{ $self->hash("ref:days:{$program}") }),
        hours => sum(values %{ $self->hash("ref:hours:{$program}") }),
        board => $self->scores("ref:board:{$program}:clicks"),
        referrers => $self->scores("ref:board:{$program}:referrers:clicks"),
        touches => ($stats->{unlisted} // 0)
                   + sum(map { $t->redis('HLEN', $_) }
                         @{ $t->redis('KEYS', "ref:clicks:{$program}:*") }),
    );

    for my $what (sort keys %same) {
        push @wrong, "$program $what: $same{$what}, stats have $clicks"
            if $same{$what} != $clicks;
    }

    return @wrong;
}


# each click in the hour and the day that its id names

sub times {
    my ($self, $program, $exact) = @_;

    my $except = $self->{except}{$program} // {};
    my (%answered, @wrong);

    for (keys %{ $self->{times}{$program} // {} }) {
        my ($code, $what, $when) = split / /;
        my $n = $self->{times}{$program}{"$code $what $when"};

        $answered{"ref:days:{$program}:$code"}{$when} += $n
            if $what eq 'days' && !$except->{$code};

        $answered{"ref:$what:{$program}"}{$when} += $n unless %$except;
    }

    for my $key (sort keys %answered) {
        my $counted = $self->hash($key);
        my %all = (%$counted, %{ $answered{$key} });

        for my $when (sort keys %all) {
            my $n = $counted->{$when} // 0;
            my $known = $answered{$key}{$when} // 0;

            push @wrong, "$key $when: counted $n, answered $known"
                if $exact ? $n != $known : $n < $known;
        }
    }

    return @wrong;
}


sub scores {
    my ($self, $key) = @_;

    my @list = @{ $self->{t}->redis('ZRANGE', $key, 0, -1, 'WITHSCORES') };

    return sum(@list[grep { $_ % 2 } 0 .. $#list]);
}


# each click by its id, which duplicates share, and each code's entries

sub stream {
    my ($self, $program, $counted) = @_;

    my $lines = $self->{t}->redis('EVAL', <<'END', 1, "ref:events:{$program}");
        local list = {}
        for _, e in ipairs(redis.call('XRANGE', KEYS[1], '-', '+')) do
            local id = e[2][10] == 'human' and e[2][4] or ''
            list[#list + 1] = e[2][6] .. ' ' .. id
        end
        return table.concat(list, '\n')
END

    my @wrong;
    my (%seen, %entries);
    my $except = $self->{except}{$program} // {};

    for (split /\n/, $lines) {
        my ($code, $id) = split / /;

        $entries{$code}++;
        $seen{$id}++ if defined $id && length $id;
    }

    for my $code (sort keys %$counted) {
        next if $except->{$code};

        my ($n, $raw) = ($entries{$code} // 0, $counted->{$code}{raw} // 0);

        push @wrong, "$program $code: the stream has $n, stats have $raw"
            if $n != $raw;
    }

    my @twice = grep { $seen{$_} > 1 } keys %seen;
    my @lost = grep { !$seen{$_} } keys %{ $self->{ids}{$program} // {} };

    $self->{lost} += @lost;
    $self->{doubled} += @twice;

    push @wrong, "$program: " . @twice . " clicks are counted twice: "
                 . join ' ', grep { defined } (sort @twice)[0 .. 2]
        if @twice;
    push @wrong, "$program: " . @lost . " answered clicks are missing: "
                 . join ' ', grep { defined } (sort @lost)[0 .. 2]
        if @lost;

    return @wrong;
}


1;

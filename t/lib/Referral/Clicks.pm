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
# exactly once, and in the sums of each key.

use strict;
use warnings;

use POSIX qw(:sys_wait_h);
use Test::More ();
use Time::HiRes qw(sleep time);

use Referral::Proxy;

our $CODES = 20;

my %country = (1 => 'JP', 2 => 'BR', 3 => 'DE', 4 => 'US', 5 => 'GB',
               6 => 'KR', 7 => 'FR');

my $seed = $ENV{TEST_SEED} // time;


# An instance with two programs and its oracle, started.  Beside the parts of
# config(): journal, redis, zone: parameters of these directives; proxy: a
# Referral::Proxy stands before Redis, in $c->{proxy}.

sub instance {
    my ($class, %o) = @_;

    my $t = Referral->new;
    my $c = $class->new($t, shop => '/r/', club => '/s/');

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
        server => <<'END',
            referral_landing "https://shop.example.com/";
            referral_landing_args "ref={code}&click_id={click_id}";

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


sub links {
    my ($self) = @_;

    my $t = $self->{t};

    for my $where (values %{ $self->{where} }) {
        my ($program, $code) = @$where;

        $t->redis('HSET', "ref:link:{$program}:$code", 'referrer', "of-$code");
    }
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
             $load->{file}, @{ $o{paths} // $self->{paths} };
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
        waitpid $load->{pid}, 0;

        my $status = $?;

        @{ $self->{t}{children} }
            = grep { $_ != $load->{pid} } @{ $self->{t}{children} };

        die "clicks failed\n" if $status || !-s $load->{file};

        $self->read($load);
    }

    return $self;
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
            my ($path, $class, $net, $sent, $answered) = @v;
            my ($program, $code) = @{ $self->{where}{$path} };
            my $country = $class eq 'human' ? $country{$net} : undef;

            for (['sent', $sent], ['answered', $answered]) {
                my ($which, $n) = @$_;
                my $c = $self->{$which}{$program} //= {};

                $c->{$code}{raw} += $n;
                $c->{$code}{$class eq 'human' ? 'clicks' : $class} += $n;
                $c->{$code}{"country:$country"} += $n if $country;
            }

        } elsif ($what eq 'id') {
            my ($program) = @{ $self->{where}{$v[0]} };

            $self->{twice}++ if $self->{ids}{$program}{$v[1]}++;
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


# until what was answered is counted, and nothing comes after it

sub quiet {
    my ($self, $seconds) = @_;

    my $want = $self->known('answered');
    my $end = time + ($seconds // 5);
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
        my (%links, %counted);

        for my $code (map { "c$_" } 1 .. $CODES) {
            my $stats = $self->hash("ref:stats:{$program}:$code");

            $counted{$code} = $stats;

            next if $except->{$code};

            for my $field (sort keys %{ { %{ $sent->{$code} // {} },
                                          raw => 0, clicks => 0 } })
            {
                $is->("$program $code $field", $stats->{$field},
                      $answered->{$code}{$field}, $sent->{$code}{$field});
            }

            my $days = sum(values %{ $self->hash(
                                         "ref:days:{$program}:$code") });
            push @wrong, "$program $code: days have $days"
                if $days != ($stats->{clicks} // 0);
        }

        push @wrong, $self->sums($program, \%counted);
        push @wrong, $self->stream($program, \%counted);
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

    for my $field (qw(raw clicks bot), map { "country:$_" } values %country) {
        my $links = sum(map { $_->{$field} // 0 } values %$counted);

        for (['stats', $stats], ['day', \%days]) {
            my ($what, $hash) = @$_;
            my $n = $hash->{$field} // 0;

            push @wrong, "$program $what $field: $n, links have $links"
                if $n != $links;
        }
    }

    my $clicks = $stats->{clicks} // 0;

    my %same = (
        days  => sum(values %{ $self->hash("ref:days:{$program}") }),
        hours => sum(values %{ $self->hash("ref:hours:{$program}") }),
        board => $self->scores("ref:board:{$program}:clicks"),
        referrers => $self->scores("ref:board:{$program}:referrers:clicks"),
        touches => sum(map { $t->redis('HLEN', $_) }
                       @{ $t->redis('KEYS', "ref:clicks:{$program}:*") }),
    );

    for my $what (sort keys %same) {
        push @wrong, "$program $what: $same{$what}, stats have $clicks"
            if $same{$what} != $clicks;
    }

    return @wrong;
}


sub scores {
    my ($self, $key) = @_;

    my @list = @{ $self->{t}->redis('ZRANGE', $key, 0, -1, 'WITHSCORES') };

    return sum(@list[grep { $_ % 2 } 0 .. $#list]);
}


# each click by its id, and each code's entries

sub stream {
    my ($self, $program, $counted) = @_;

    my $lines = $self->{t}->redis('EVAL', <<'END', 1, "ref:events:{$program}");
        local list = {}
        for _, e in ipairs(redis.call('XRANGE', KEYS[1], '-', '+')) do
            list[#list + 1] = e[2][6] .. ' ' .. e[2][4]
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

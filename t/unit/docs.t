#!/usr/bin/perl
# What an operator looks up is there, and what he is told is so: programs, their options, commands of smarter,
# configuration keys, directives and names of the drop-ins, numbers of the log, addresses of the pickup zone, links.
# SMARTER_BUILD is where the programs are, SB_TOP the source.
use strict;
use warnings;
use Test::More;

my $top = $ENV{SB_TOP} // '.';
my $build = $ENV{SMARTER_BUILD} // '.';

sub slurp {
    local (@ARGV, $/) = @_;
    return <> // '';
}

# What a program prints, whatever of it; a program that is asked for help needs no configuration.
sub says {
    my ($program, @args) = @_;
    my $pid = open(my $out, '-|') // die "fork: $!";
    if (!$pid) {
        open STDERR, '>&', \*STDOUT;
        exec "$build/$program", @args or exit 127;
    }
    my $text = do { local $/; <$out> } // '';
    close $out;
    return ($? >> 8, $text);
}

my %doc = map { (s{^\Q$top\E/}{}r => slurp($_)) } "$top/README.md", glob("$top/docs/*.md $top/t/README.md");
my $all = join "\n", values %doc;
cmp_ok(scalar keys %doc, '>=', 14, scalar(keys %doc) . ' documents');
my $operations = $doc{'docs/operations.md'};

# ---- programs ---------------------------------------------------------------------------------

my @programs = map { split } slurp("$top/Makefile.am") =~ /^sbin_PROGRAMS \+= (.*)/mg;
cmp_ok(scalar @programs, '>=', 16, scalar(@programs) . ' programs');
my (%option_of, $schedules);
for my $program (@programs) {
    like($all, qr/`?\b\Q$program\E\b/, "$program is in the documents");
    like($operations, qr/\b\Q$program\E\b/, "$program is in docs/operations.md");
    my ($code, $help) = says($program, '--help');
    is($code, 0, "$program --help") or diag $help;
    like($help, qr/^usage: \Q$program\E/im, "$program --help begins with how it is called");
    # Each option that the first lines name is explained below them, and the other way round.
    $option_of{$program} = { map { $_ => 1 } $help =~ /(?<![\w-])(--[a-z][\w-]+)/g };
    ok($option_of{$program}{'--help'}, "$program explains --help") if $program ne 'smarter';
    my @unexplained = grep { $help !~ /^\s+(?:-\w, )?\Q$_\E\b.*\S\s{2,}\S|^\s+(?:-\w, )?\Q$_\E\b[^\n]*\n\s+\S/m } sort keys %{ $option_of{$program} };
    is("@unexplained", '', "$program: each option has its line") if $program ne 'smarter';
    my ($wrong, $said) = says($program, '--no-such-option');
    cmp_ok($wrong, '==', 2, "$program --no-such-option is refused as usage");
    like($said, qr/no-such-option|usage/i, '... and named');
}

# Who sets a schedule finds under which prefix; PREFIX.<name> is one for each NAME.
for my $file (glob "$top/workers/*.c") {
    my ($prefix, $program) = map { slurp($file) =~ /\.$_ = "([^"]+)"/ ? $1 : '' } 'schedule', 'name';
    next if !$prefix;
    $prefix =~ s/<(\w+)>/\U$1/;
    like($operations, qr/^\| `\Q$prefix\E` \| `\Q$program\E`/m, "docs/operations.md has the prefix of $program");
    $schedules++;
}
cmp_ok($schedules, '>=', 7, "$schedules programs with a schedule");

# What the manual and the documents say of options is so.
for my $program (@programs) {
    my $man = slurp("$top/docs/man/$program.h2m");
    # Else groff takes the words behind a dot for a request of its own, and leaves the line out.
    unlike($man, qr/^[.'](?!(?:B|BR|TP|PP|nf|fi)\b)/m, "docs/man/$program.h2m: no line is taken for a request");
    my @unknown = grep { !$option_of{$program}{$_} } $man =~ s/\\-/-/gr =~ /^$program [^\n]*?(--[a-z][\w-]+)/mg;
    is("@unknown", '', "docs/man/$program.h2m: examples with options there are") if $program !~ /^smarter(?:-lz|-schema)?\z/;
}

my ($code, $help) = says('smarter', 'help');
is($code, 0, 'smarter help');
my @commands = $help =~ /^  ([a-z][a-z-]+)/mg;
cmp_ok(scalar @commands, '>=', 12, "commands of smarter: @commands");
my $man = slurp("$top/docs/man/smarter.h2m");
for my $command (@commands) {
    like($man, qr/^\.B (?:.*, )?(?:\\fB)?\Q$command\E\b/m, "smarter $command is in its manual") if $command ne 'help';
    like($all, qr/`?(?:smarter|smarterctl) \Q$command\E\b/, "smarter $command is in the documents") if $command ne 'help';
}

# ---- keys -------------------------------------------------------------------------------------

my ($rc, $keys) = says('smarter-config', 'keys');
is($rc, 0, 'smarter-config keys');
my %key;
$key{$1} = $2 while $keys =~ /^(\S+)\n((?:    .*\n)+)/mg;
cmp_ok(scalar keys %key, '>=', 200, scalar(keys %key) . ' keys');
# A key with a name in it stands for all such keys.
my %pattern;
for my $k (keys %key) {
    my @parts = map { /<\w+>/ ? '[\w*-]+' : quotemeta } split /\./, $k;
    $pattern{ join '\.', @parts[0 .. $_] } = 1 for 1 .. $#parts;    # it, and what several begin with
}
my $known = do { my $any = join '|', sort keys %pattern; qr/\A(?:$any)\z/ };
my %prefix = map { (split /\./)[0] => 1 } keys %key;
delete @prefix{qw(smarter report)};    # programs and files begin so, too
my (@strangers, $seen);
for my $file (sort keys %doc) {
    for my $word ($doc{$file} =~ /`([a-z][\w-]*(?:\.(?:[\w-]+|<\w+>))+)(?: =[^`]*)?`/g, $doc{$file} =~ /^    ([a-z][\w-]*(?:\.[\w-]+)+) = /mg) {
        next if !$prefix{ (split /\./, $word)[0] } || $word =~ /\.(?:t|c|h|md|sql|sh|csv|json|ini|conf|log|so)\z/;
        $seen++;
        my $plain = $word =~ s/<(\w+)>/$1/gr;
        push @strangers, "$file: $word" if $plain !~ $known;
    }
}
cmp_ok($seen, '>=', 150, "$seen keys in the documents");
# Tables, states of batches and what operators do are named like keys.
my %other = map { $_ => 1 } (map { slurp($_) =~ /^CREATE (?:\w+ )?(?:TABLE|VIEW) (?:\{schema\}\.)?(\w+)/mg } glob "$top/sql/*/*.sql"),
    qw(received ingested in_process failed withdrawn), qw(retry discard withdraw);
@strangers = grep { !/: (?:edware_stats|jobs|hpz|udl2|operator|udl|migrate)\.(\w+)(?:\.\w+)?\z/ || !$other{$1} } @strangers;
is(join(', ', @strangers), '', 'the documents name no key that does not exist');
for my $k (sort keys %key) {
    my ($type, $meaning) = split /\n/, $key{$k} =~ s/^    //mgr, 2;
    ok(length($meaning // '') > 8, "$k says what it means") or diag $key{$k};
}

# ---- drop-ins of httpd ------------------------------------------------------------------------

for (['smarter', 'mod_smarter'], ['hpz', 'mod_hpz']) {
    my ($name, $module) = @$_;
    my $conf = slurp("$top/conf.d/$name.conf");
    my @directives = map { slurp($_) =~ /AP_INIT_\w+\("(\w+)"/g } glob "$top/$module/*.c";
    cmp_ok(scalar @directives, '>=', 1, "directives of $module: @directives");
    for my $directive (@directives) {
        ok($conf =~ /^\s*#[^\n]*\b$directive\b[^\n]*(?:\n\s*#[^\n]*)*\n\s*$directive /m, "conf.d/$name.conf explains $directive");
    }
    my %used = map { $_ => 1 } $conf =~ /\$\{(\w+)\}/g, $conf =~ /<IfDefine !?(\w+)>/g;
    for my $used (sort keys %used) {
        # by the lines above it, perhaps together with its neighbour
        my $neighbour = qr/(?:<IfDefine !\w+>\n\s*Define [^\n]*\n<\/IfDefine>\n)?/;
        ok($conf =~ /^\s*#[^\n]*\n$neighbour\s*<IfDefine !?$used>|^\s*#[^\n]*\b$used\b/m, "conf.d/$name.conf explains $used");
    }
}

# ---- numbers ----------------------------------------------------------------------------------

# Where a number stands without a level, a helper logs it as an error.
my (%level, $lines);
for my $file (sort glob "$top/{lib/*,mod_*,workers}/*.c") {
    my $text = slurp($file);
    while ($text =~ /SBLOGNO\((\d+)\)/g) {
        my ($number, $at) = ($1, $-[0]);
        my $before = substr($text, 0, $at) =~ s/.*[;{}]//sr;
        my @levels = $before =~ /SB_LOG_([A-Z]+)/g;
        my $worst = grep { /WARN|ERROR/ } @levels;
        $level{$number} = @levels && !$worst ? 'info' : 'error';
        $lines++;
    }
}
cmp_ok($lines, '>=', 200, "$lines numbered lines");
cmp_ok(scalar(grep { $_ eq 'error' } values %level), '>=', 150, '... most of them warnings and errors');
my %row;
for my $row ($doc{'docs/messages.md'} =~ /^\| (SB\d{4}[^|]*?) \|/mg) {
    $row{$_}++ for $row =~ /SB(\d{4})/g;
}
is(join(' ', grep { $level{$_} eq 'error' && !$row{$_} } sort keys %level), '', 'docs/messages.md has every warning and error');
is(join(' ', grep { $row{$_} > 1 } sort keys %row), '', '... once');
my %named = map { $_ => 1 } map { $doc{$_} =~ /\bSB(\d{4})\b/g } grep { $_ ne 't/README.md' } keys %doc;
is(join(' ', grep { !$level{$_} } sort keys %named), '', 'no document names a number that is not logged');

# ---- addresses of the pickup zone -------------------------------------------------------------

my @routes = slurp("$top/mod_hpz/hpz_routes.c") =~ /"(\/[a-z_\/]*)"/g;
cmp_ok(scalar @routes, '>=', 8, scalar(@routes) . ' addresses of the pickup zone');
for my $route (grep { $_ ne '/' } @routes) {
    ok(index("$doc{'docs/pickup.md'} $operations $doc{'docs/security.md'}", $route) >= 0, "$route is in the documents");
}

# ---- units ------------------------------------------------------------------------------------

for my $unit (map { s{.*/}{}r =~ s/@?\.(?:service|timer)\.in\z//r } glob "$top/deploy/systemd/*.in") {
    ok((grep { $_ eq $unit } @programs) || $unit eq 'smarter-lz-watch', "$unit is a unit of a program");
}

# ---- folders of the tests -----------------------------------------------------------------------

my @folders = map { s{.*/}{}r } grep { -d } glob "$top/t/*";
my $cells = join ' ', $doc{'t/README.md'} =~ /^\| ([^|]*) \|/mg;
is(join(' ', grep { $cells !~ m{`\Q$_\E/} } @folders), '', 't/README.md tells what is in each folder');

# ---- links ------------------------------------------------------------------------------------

my $links;
for my $file (sort keys %doc) {
    my ($dir) = $file =~ m{\A(.*/)?[^/]+\z};
    for my $link ($doc{$file} =~ /\]\(([^)\s]+)\)/g) {
        next if $link =~ /\A(?:https?:|mailto:|#)/;
        $links++;
        ok(-e "$top/" . ($dir // '') . ($link =~ s/#.*//r), "$file: $link is there");
    }
    # operations.md, *A chapter*
    while ($doc{$file} =~ /\[(\w+\.md)\]\(\S+?\), \*([^*]+)\*/g) {
        my ($other, $chapter) = ($1, $2);
        like($doc{"docs/$other"}, qr/^#+ \Q$chapter\E(?:[:,].*)?$/m, "$file: $other has a chapter '$chapter'");
    }
}
cmp_ok($links, '>=', 30, "$links links");
done_testing();

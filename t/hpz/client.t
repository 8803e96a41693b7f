# What workers deliver by: lib/pickup/sb_pickup against the real pickup zone, and against none.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Smarter::Test;
use Smarter::Pickup;

need('pickup');
my $program = env('SMARTER_BUILD') . '/t/hpz/client';
my $dir = tmpdir();
my $ini = slurp(env('SMARTER_INI'));
my $n = 0;

# The client with some lines of the ini replaced, [arguments]: what it said, one line each.
sub client {
    my ($change, @args) = @_;
    my $text = $ini;
    for my $key (keys %$change) {
        $text =~ s/^\Q$key\E = .*\n//m;
        $text =~ s/^\[app:main\]\n/[app:main]\n$key = $change->{$key}\n/m if defined $change->{$key};
    }
    my $file = spew("$dir/ini" . $n++, $text);
    my $said = `'$program' '$file' @args 2>&1`;
    return $said;
}

my $file = file_of(3_000_000);
my $said = client({}, $file);
my ($id) = $said =~ /^id (\S+)$/m;
like($said, qr/^register: done\n.*^upload: done\n/ms, 'announced and delivered') or diag $said;
like($said, qr{^web_url \Q${\outside('/download/')}\E$id$}m, 'with the address to be given out');
like($said, qr/^size 3000000\nsha256 @{[sha256_of($file)]}$/m, 'and a receipt');
my $row = stored($id);
is("$row->{role} $row->{tenant} $row->{state_code} $row->{email}", 'SAREXTRACTS nc NC state1@smarter.invalid', 'right and place are told');
is($row->{file_name}, "R\x{e9}sultats.zip", 'and the name');
like(client({}, $file, $id), qr/^upload: done$/m, 'the same again');
$said = client({}, file_of(4_000_000, 'b'), $id);
like($said, qr/^upload: .*409 another content/m, 'another content is final') or diag $said;
like($said, qr/^size 3000000\nsha256 @{[sha256_of($file)]}$/m, '... and one is told what is there');
unlike(client({}, file_of(3_000_000, 'b'), $id), qr/again/, '... not to be tried again');
like(client({}, $file, '00000000-0000-4000-8000-000000000000'), qr/^upload: (?!.*again).*404/m, 'no such registration is final');
like(client({}, "$dir/none", $id), qr/^upload: .*the file cannot be read/m, 'no file');

my $closed = 'https://localhost:1';
like(client({ 'hpz.file_registration_url' => "$closed/registration" }, $file), qr/^register: .*\(again\)/m, 'nobody there: try again');
like(client({ 'hpz.file_upload_base_url' => "$closed/files" }, $file, $id), qr/^upload: .*\(again\)/m, '... for deliveries, too');
like(client({ 'hpz.ca_file' => undef }, $file), qr/^register: .*\(again\).*(?:SSL|certificate)/m, 'a certificate of nobody we know is not accepted');
like(client({ 'hpz.ca_file' => undef, 'hpz.ignore_certificate' => 'False' }, $file), qr/^register: .*\(again\)/m, '"False" is false');
like(client({ 'hpz.ca_file' => undef, 'hpz.ignore_certificate' => 'True' }, $file), qr/^upload: done/m, '"True" is for development');
like(client({ 'hpz.client_cert' => '/x' }, $file), qr/^configuration: hpz.client_cert and hpz.client_key/, 'half a pair');
like(client({ 'hpz.client_cert' => env('SMARTER_VAR') . '/tls/client.pem', 'hpz.client_key' => env('SMARTER_VAR') . '/tls/client.key' }, $file),
    qr/^upload: done/m, 'a certificate of ours is shown');
{
    local $ENV{STOP} = 1;
    like(client({}, $file, announce('state1')), qr/^upload: (?!.*again).*: asked to stop/m, 'a worker that is to stop gives up, which is no failure of the zone');
}
{
    local $ENV{REMOVE} = 1;
    my $said = client({}, $file);
    my ($gone) = $said =~ /^id (\S+)$/m;
    like($said, qr/^remove: done$/m, 'taken back');
    is(stored($gone), undef, '... it has gone');
}
finish();

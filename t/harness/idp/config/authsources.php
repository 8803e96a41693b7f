<?php
/* Users come from t/harness/users, which says what its fields are. */
$users = ['exampleauth:UserPass'];
foreach (file(getenv('IDP_ROOT') . '/users', FILE_IGNORE_NEW_LINES | FILE_SKIP_EMPTY_LINES) as $line) {
    if ($line[0] === '#') {
        continue;
    }
    $fields = preg_split('/ +/', $line);
    [$user, $password, , $first, $last] = array_map(fn($f) => strtr($f, '_', ' '), $fields);
    $users["$fields[0]:$fields[1]"] = array_filter([
        'uid' => [$user],
        'guid' => ["guid-$user"],
        'fullName' => ["$first $last"],
        'firstName' => [$first],
        'lastName' => [$last],
        'mail' => ["$user@smarter.invalid"],
        /* Role names keep their underscores; institution names lose them. */
        'memberOf' => array_map(function ($chain) {
            $parts = explode('|', $chain);
            $parts[13] = strtr($parts[13], '_', ' ');
            $parts[17] = strtr($parts[17], '_', ' ');
            return implode('|', $parts);
        }, array_slice($fields, 5)),
    ]);
}
$config = ['admin' => ['core:AdminPassword'], 'users' => $users];

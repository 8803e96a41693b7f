# shellcheck shell=sh
# Two memcached nodes, as an installation has several.

memcached_start()
{
    for _node in 1 2; do
        ! running "memcached$_node" >/dev/null || continue
        eval "_port=\$PORT_CACHE$_node"
        launch "memcached$_node" nobody memcached -l 127.0.0.1 -p "$_port" -U 0 -m 256 -c 1024
    done
}

memcached_await()
{
    await memcached1 10 listening "$PORT_CACHE1"
    await memcached2 10 listening "$PORT_CACHE2"
}

memcached_stop()
{
    halt memcached2 TERM 5
    halt memcached1 TERM 5
}

//! Every command, expanded from `commands.toml`: one trait for each group, and one module for each group with its
//! option builders.
//!
//! The traits are implemented by everything that commands can be issued on, and are all in the
//! [prelude](crate::prelude).

use bytes::Bytes;
use typedis_core::{
    BlockMilliseconds, Cursor, Milliseconds, Name, Seconds, ServerError, SignedMilliseconds,
    SignedSeconds, Timeout, UnixMilliseconds, UnixSeconds, Value,
};

use crate::args::*;
use crate::replies::*;

// Messages of the compiler and "go to definition" lead to a name in this list, because macros cannot point into TOML. The row of
// `set` is `[string.set]` in commands.toml. The macro says which names are missing.
typedis_macros::commands! {
    from "commands.toml";

    string:
        append decr decrby delifeq get getdel getex getrange getset incr incrby incrbyfloat lcs
        lcs_idx lcs_len mget mset msetex msetnx psetex set setex setnx setrange stralgo_lcs
        stralgo_lcs_idx stralgo_lcs_len strlen substr delex digest increx;
    generic:
        bless_clear bless_get bless_scan bless_set copy del dump exists expire expireat expiretime
        keys migrate migrate_keys move_key object_encoding object_freq object_help object_idletime
        object_refcount persist pexpire pexpireat pexpiretime pttl randomkey rename renamenx restore
        sort sort_ro sort_store touch ttl key_type unlink wait waitaof scan;
    hash:
        hdel hexists hexpire hexpireat hexpiretime hget hgetall hgetdel hgetex himport_discard
        himport_discardall himport_prepare himport_set hincrby hincrbyfloat hkeys hlen hmget hmset
        hpersist hpexpire hpexpireat hpexpiretime hpttl hrandfield hset hsetex hsetnx hstrlen httl
        hvals hscan;
    list:
        blmove blmovem blmpop blpop brpop brpoplpush lindex linsert llen lmove lmovem lmpop lpop
        lpos lpush lpushx lrange lrem lset ltrim rpop rpoplpush rpush rpushx;
    set:
        sadd scard sdiff sdiffcard sdiffstore sexpire sexpireat sexpiretime sinter sintercard
        sinterstore sismember smembers smismember smove spexpire spexpireat spexpiretime spersist
        spop spttl srandmember srem sttl sunion sunioncard sunionstore sscan;
    sorted_set:
        bzmove bzmpop bzpopmax bzpopmin zadd zcard zcount zdiff zdiffstore zincrby zinter zintercard
        zinterstore zlexcount zmove zmovemember zmpop zmscore zpopmax zpopmin zrandmember zrange
        zrangebylex zrangebyscore zrangestore zrank zrem zremrangebylex zremrangebyrank
        zremrangebyscore zrevrange zrevrangebylex zrevrangebyscore zrevrank zscore zunion
        zunionstore zscan;
    bitmap:
        bitcount bitfield bitfield_ro bitop bitpos bitrangeintarray getbit setbit;
    hyperloglog:
        pfadd pfcount pfmerge;
    geo:
        geoadd geodist geohash geopos georadius georadius_store georadiusbymember
        georadiusbymember_store georadius_ro georadiusbymember_ro geosearch geosearchstore;
    connection:
        auth client_caching client_capa client_getname client_getredir client_id
        client_import_source client_info client_kill client_kill_addr client_list client_no_evict
        client_no_touch client_pause client_setinfo client_setname client_tracking
        client_trackinginfo client_unblock client_unpause echo hello ping quit reset select;
    transactions:
        discard exec multi unwatch watch;
    cluster:
        asking readonly readwrite cluster_addslots cluster_addslotsrange cluster_bumpepoch
        cluster_cancelslotmigrations cluster_count_failure_reports cluster_countkeysinslot
        cluster_delslots cluster_delslotsrange cluster_failover cluster_flushslot cluster_flushslots
        cluster_forget cluster_getkeysinslot cluster_getslotmigrations cluster_info cluster_keyslot
        cluster_links cluster_meet cluster_migrateslots cluster_migration_cancel
        cluster_migration_import cluster_migration_status cluster_myid cluster_myshardid
        cluster_nodes cluster_replicas cluster_replicate cluster_replicate_no_one cluster_reset
        cluster_saveconfig cluster_set_config_epoch cluster_setslot cluster_shards cluster_slaves
        cluster_slot_stats cluster_slots clusterscan_page;
    pubsub:
        publish spublish pubsub_channels pubsub_numpat pubsub_numsub pubsub_shardchannels
        pubsub_shardnumsub;
    server:
        command_count command_getkeys command_info config_get config_set dbsize debug flushall
        flushdb info lastsave memory_usage swapdb time acl_cat acl_deluser acl_dryrun acl_genpass
        acl_getuser acl_list acl_load acl_log acl_log_reset acl_save acl_setuser acl_users
        acl_whoami backup_abort backup_cleanup backup_list backup_seal backup_start backup_status
        bgrewriteaof bgsave command command_docs command_getkeysandflags command_list commandlog_get
        commandlog_len commandlog_reset config_resetstat config_rewrite failover failover_abort
        hotkeys_get hotkeys_reset hotkeys_start hotkeys_stop latency_doctor latency_graph
        latency_histogram latency_history latency_latest latency_reset lolwut memory_doctor
        memory_malloc_stats memory_purge memory_stats module_list module_load module_loadex
        module_unload replicaof replicaof_no_one role save shutdown shutdown_abort slaveof
        slaveof_no_one slowlog_get slowlog_len slowlog_reset;
    stream:
        xack xadd xautoclaim xautoclaim_justid xclaim xclaim_justid xdel xgroup_create
        xgroup_createconsumer xgroup_delconsumer xgroup_destroy xgroup_setid xlen xpending
        xpending_range xrange xread xreadgroup xrevrange xtrim xackdel xcfgset xdelex
        xinfo_consumers xinfo_groups xinfo_stream xnack xsetid;
    search:
        ft_add ft_aggregate ft_aliasadd ft_aliasdel ft_aliaslist ft_aliasupdate ft_alter
        ft_config_get ft_config_set ft_create ft_cursor_del ft_cursor_read ft_del ft_dictadd
        ft_dictdel ft_dictdump ft_drop ft_dropindex ft_explain ft_explaincli ft_get ft_hybrid
        ft_info ft_list ft_mget ft_profile_aggregate ft_profile_search ft_safeadd ft_search
        ft_search_nocontent ft_spellcheck ft_sugadd ft_sugdel ft_sugget ft_suglen ft_syndump
        ft_synupdate ft_tagvals;
    json:
        json_arrappend json_arrindex json_arrinsert json_arrlen json_arrpop json_arrtrim json_clear
        json_debug_memory json_del json_forget json_get json_merge json_mget json_mset
        json_numincrby json_nummultby json_numpowby json_objkeys json_objlen json_resp json_set
        json_strappend json_strlen json_toggle json_type;
    timeseries:
        ts_add ts_alter ts_create ts_createrule ts_decrby ts_del ts_deleterule ts_get ts_incrby
        ts_info ts_madd ts_mget ts_mrange ts_mrange_aggregated ts_mrevrange ts_mrevrange_aggregated
        ts_queryindex ts_querylabels ts_range ts_range_aggregated ts_read ts_revrange
        ts_revrange_aggregated;
    vector_set:
        vadd vcard vdim vemb vgetattr vinfo vismember vlinks vrandmember vrange vrem vsetattr vsim;
    bloom:
        bf_add bf_card bf_exists bf_info bf_insert bf_loadchunk bf_madd bf_mexists bf_reserve
        bf_scandump;
    cuckoo:
        cf_add cf_addnx cf_count cf_del cf_exists cf_info cf_insert cf_insertnx cf_loadchunk
        cf_mexists cf_reserve cf_scandump;
    count_min:
        cms_incrby cms_info cms_initbydim cms_initbyprob cms_merge cms_query;
    top_k:
        topk_add topk_count topk_incrby topk_info topk_list topk_query topk_reserve;
    tdigest:
        tdigest_add tdigest_byrank tdigest_byrevrank tdigest_cdf tdigest_create tdigest_info
        tdigest_max tdigest_merge tdigest_min tdigest_quantile tdigest_rank tdigest_reset
        tdigest_revrank tdigest_trimmed_mean;
    scripting:
        eval eval_ro evalsha evalsha_ro fcall fcall_ro function_delete function_dump function_flush
        function_kill function_list function_load function_restore function_stats script_debug
        script_exists script_flush script_kill script_load script_show;
    sentinel:
        sentinel_ckquorum sentinel_config_get sentinel_config_set sentinel_debug sentinel_debug_set
        sentinel_failover sentinel_flushconfig sentinel_get_master_addr_by_name
        sentinel_get_primary_addr_by_name sentinel_info_cache sentinel_master sentinel_masters
        sentinel_monitor sentinel_myid sentinel_pending_scripts sentinel_primaries sentinel_primary
        sentinel_remove sentinel_replicas sentinel_reset sentinel_sentinels sentinel_set
        sentinel_simulate_failure sentinel_slaves;
    array:
        arcount ardel ardelrange arget argetrange argrep arinfo arinsert arlastitems arlen armget
        armset arnext arop arop_bits arop_match arop_used arring arscan arseek arset;
}

//! `FT.INFO idx` of a live server, in both protocols.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::replies::wire::decode;

const RESP2: &str = "\
    *68\r\n+index_name\r\n+idx\r\n+index_options\r\n*0\r\n+index_definition\r\n*6\r\n+key_type\r\n+HASH\r\n\
    +prefixes\r\n*1\r\n+doc:\r\n+default_score\r\n$1\r\n1\r\n+attributes\r\n*4\r\n*9\r\n+identifier\r\n+title\r\n\
    +attribute\r\n+title\r\n+type\r\n+TEXT\r\n+WEIGHT\r\n$1\r\n2\r\n+SORTABLE\r\n*8\r\n+identifier\r\n+price\r\n\
    +attribute\r\n+price\r\n+type\r\n+NUMERIC\r\n+SORTABLE\r\n+UNF\r\n*8\r\n+identifier\r\n+tag\r\n+attribute\r\n\
    +tag\r\n+type\r\n+TAG\r\n+SEPARATOR\r\n+,\r\n*6\r\n+identifier\r\n+loc\r\n+attribute\r\n+loc\r\n+type\r\n\
    +GEO\r\n+num_docs\r\n:3\r\n+max_doc_id\r\n:3\r\n+num_terms\r\n:4\r\n+num_records\r\n:15\r\n+inverted_sz_mb\r\n\
    $20\r\n7.867813110351563e-4\r\n+vector_index_sz_mb\r\n$1\r\n0\r\n+total_inverted_index_blocks\r\n:11\r\n\
    +offset_vectors_sz_mb\r\n$18\r\n5.7220458984375e-6\r\n+doc_table_size_mb\r\n$21\r\n2.0313262939453125e-4\r\n\
    +sortable_values_size_mb\r\n$21\r\n1.7070770263671875e-4\r\n+key_table_size_mb\r\n$19\r\n\
    1.10626220703125e-4\r\n+tag_overhead_sz_mb\r\n$19\r\n5.53131103515625e-5\r\n+text_overhead_sz_mb\r\n$19\r\n\
    1.33514404296875e-4\r\n+total_index_memory_sz_mb\r\n$21\r\n0.0014886856079101563\r\n+geoshapes_sz_mb\r\n$1\r\n\
    0\r\n+records_per_doc_avg\r\n$1\r\n5\r\n+bytes_per_record_avg\r\n$2\r\n55\r\n+offsets_per_term_avg\r\n$18\r\n\
    0.4000000059604645\r\n+offset_bits_per_record_avg\r\n$1\r\n8\r\n+hash_indexing_failures\r\n:0\r\n\
    +total_indexing_time\r\n$17\r\n1.871000051498413\r\n+indexing\r\n:0\r\n+percent_indexed\r\n$1\r\n1\r\n\
    +number_of_uses\r\n:29\r\n+cleaning\r\n:0\r\n+gc_stats\r\n*14\r\n+bytes_collected\r\n$1\r\n0\r\n\
    +total_ms_run\r\n$1\r\n0\r\n+total_cycles\r\n$1\r\n0\r\n+average_cycle_time_ms\r\n$3\r\nnan\r\n\
    +last_run_time_ms\r\n$1\r\n0\r\n+gc_numeric_trees_missed\r\n$1\r\n0\r\n+gc_blocks_denied\r\n$1\r\n0\r\n\
    +cursor_stats\r\n*8\r\n+global_idle\r\n:0\r\n+global_total\r\n:0\r\n+index_capacity\r\n:128\r\n\
    +index_total\r\n:0\r\n+dialect_stats\r\n*8\r\n+dialect_1\r\n:1\r\n+dialect_2\r\n:1\r\n+dialect_3\r\n:0\r\n\
    +dialect_4\r\n:0\r\n+Index Errors\r\n*6\r\n+indexing failures\r\n:0\r\n+last indexing error\r\n+N/A\r\n\
    +last indexing error key\r\n$3\r\nN/A\r\n+field statistics\r\n*4\r\n*6\r\n+identifier\r\n+title\r\n\
    +attribute\r\n+title\r\n+Index Errors\r\n*6\r\n+indexing failures\r\n:0\r\n+last indexing error\r\n+N/A\r\n\
    +last indexing error key\r\n$3\r\nN/A\r\n*6\r\n+identifier\r\n+price\r\n+attribute\r\n+price\r\n\
    +Index Errors\r\n*6\r\n+indexing failures\r\n:0\r\n+last indexing error\r\n+N/A\r\n\
    +last indexing error key\r\n$3\r\nN/A\r\n*6\r\n+identifier\r\n+tag\r\n+attribute\r\n+tag\r\n+Index Errors\r\n\
    *6\r\n+indexing failures\r\n:0\r\n+last indexing error\r\n+N/A\r\n+last indexing error key\r\n$3\r\nN/A\r\n\
    *6\r\n+identifier\r\n+loc\r\n+attribute\r\n+loc\r\n+Index Errors\r\n*6\r\n+indexing failures\r\n:0\r\n\
    +last indexing error\r\n+N/A\r\n+last indexing error key\r\n$3\r\nN/A\r\n";

const RESP3: &str = "\
    %34\r\n+index_name\r\n+idx\r\n+index_options\r\n*0\r\n+index_definition\r\n%3\r\n+key_type\r\n+HASH\r\n\
    +prefixes\r\n*1\r\n+doc:\r\n+default_score\r\n,1\r\n+attributes\r\n*4\r\n%5\r\n+identifier\r\n+title\r\n\
    +attribute\r\n+title\r\n+type\r\n+TEXT\r\n+WEIGHT\r\n,2\r\n+flags\r\n*1\r\n+SORTABLE\r\n%4\r\n+identifier\r\n\
    +price\r\n+attribute\r\n+price\r\n+type\r\n+NUMERIC\r\n+flags\r\n*2\r\n+SORTABLE\r\n+UNF\r\n%5\r\n\
    +identifier\r\n+tag\r\n+attribute\r\n+tag\r\n+type\r\n+TAG\r\n+SEPARATOR\r\n+,\r\n+flags\r\n*0\r\n%4\r\n\
    +identifier\r\n+loc\r\n+attribute\r\n+loc\r\n+type\r\n+GEO\r\n+flags\r\n*0\r\n+num_docs\r\n:3\r\n\
    +max_doc_id\r\n:3\r\n+num_terms\r\n:4\r\n+num_records\r\n:15\r\n+inverted_sz_mb\r\n,7.867813110351563e-4\r\n\
    +vector_index_sz_mb\r\n,0\r\n+total_inverted_index_blocks\r\n:11\r\n+offset_vectors_sz_mb\r\n\
    ,5.7220458984375e-6\r\n+doc_table_size_mb\r\n,2.0313262939453125e-4\r\n+sortable_values_size_mb\r\n\
    ,1.7070770263671875e-4\r\n+key_table_size_mb\r\n,1.10626220703125e-4\r\n+tag_overhead_sz_mb\r\n\
    ,5.53131103515625e-5\r\n+text_overhead_sz_mb\r\n,1.33514404296875e-4\r\n+total_index_memory_sz_mb\r\n\
    ,0.0014886856079101563\r\n+geoshapes_sz_mb\r\n,0\r\n+records_per_doc_avg\r\n,5\r\n+bytes_per_record_avg\r\n\
    ,55\r\n+offsets_per_term_avg\r\n,0.4000000059604645\r\n+offset_bits_per_record_avg\r\n,8\r\n\
    +hash_indexing_failures\r\n:0\r\n+total_indexing_time\r\n,0.05400000140070915\r\n+indexing\r\n:0\r\n\
    +percent_indexed\r\n,1\r\n+number_of_uses\r\n:29\r\n+cleaning\r\n:0\r\n+gc_stats\r\n%7\r\n+bytes_collected\r\n\
    ,0\r\n+total_ms_run\r\n,0\r\n+total_cycles\r\n,0\r\n+average_cycle_time_ms\r\n,nan\r\n+last_run_time_ms\r\n\
    ,0\r\n+gc_numeric_trees_missed\r\n,0\r\n+gc_blocks_denied\r\n,0\r\n+cursor_stats\r\n%4\r\n+global_idle\r\n\
    :0\r\n+global_total\r\n:0\r\n+index_capacity\r\n:128\r\n+index_total\r\n:0\r\n+dialect_stats\r\n%4\r\n\
    +dialect_1\r\n:1\r\n+dialect_2\r\n:1\r\n+dialect_3\r\n:0\r\n+dialect_4\r\n:0\r\n+Index Errors\r\n%3\r\n\
    +indexing failures\r\n:0\r\n+last indexing error\r\n+N/A\r\n+last indexing error key\r\n$3\r\nN/A\r\n\
    +field statistics\r\n*4\r\n%3\r\n+identifier\r\n+title\r\n+attribute\r\n+title\r\n+Index Errors\r\n%3\r\n\
    +indexing failures\r\n:0\r\n+last indexing error\r\n+N/A\r\n+last indexing error key\r\n$3\r\nN/A\r\n%3\r\n\
    +identifier\r\n+price\r\n+attribute\r\n+price\r\n+Index Errors\r\n%3\r\n+indexing failures\r\n:0\r\n\
    +last indexing error\r\n+N/A\r\n+last indexing error key\r\n$3\r\nN/A\r\n%3\r\n+identifier\r\n+tag\r\n\
    +attribute\r\n+tag\r\n+Index Errors\r\n%3\r\n+indexing failures\r\n:0\r\n+last indexing error\r\n+N/A\r\n\
    +last indexing error key\r\n$3\r\nN/A\r\n%3\r\n+identifier\r\n+loc\r\n+attribute\r\n+loc\r\n+Index Errors\r\n\
    %3\r\n+indexing failures\r\n:0\r\n+last indexing error\r\n+N/A\r\n+last indexing error key\r\n$3\r\nN/A\r\n";

#[test]
fn indexes_are_described_alike_in_both_protocols() {
    for reply in [RESP2, RESP3] {
        let info: IndexInfo = decode(reply).unwrap();
        assert_eq!((info.index_name.as_str(), info.num_docs), ("idx", 3));
        assert_eq!(info.index_definition.key_type, "HASH");
        assert_eq!(info.index_definition.prefixes, ["doc:"]);
        assert_eq!(info.index_definition.default_score, Some(1.0));
        assert!(info.gc_stats.unwrap().average_cycle_time_ms.is_nan());
        assert_eq!(info.cursor_stats.unwrap().index_capacity, 128);
        assert_eq!(info.dialect_stats.get("dialect_2"), Some(&1));
        assert_eq!(info.errors.unwrap().last_error, "N/A");
        assert_eq!(info.field_statistics.len(), 4);
    }
}

#[test]
fn fields_have_settings_and_flags() {
    for reply in [RESP2, RESP3] {
        let fields = decode::<IndexInfo>(reply).unwrap().attributes;
        let kinds: Vec<&str> = fields.iter().map(|field| field.kind.as_str()).collect();
        assert_eq!(kinds, ["TEXT", "NUMERIC", "TAG", "GEO"]);
        let flags: Vec<_> = fields.iter().map(|field| field.flags.join(" ")).collect();
        assert_eq!(flags, ["SORTABLE", "SORTABLE UNF", "", ""]);
        let separator = fields.get(2).unwrap().settings.get("SEPARATOR");
        assert_eq!(separator.and_then(Value::as_str), Some(","));
    }
}

#[test]
fn vectors_have_numbers_for_settings() {
    let field: IndexedField = decode(
        "*10\r\n+identifier\r\n+vec\r\n+attribute\r\n+vec\r\n+type\r\n+VECTOR\r\n+algorithm\r\n+HNSW\r\n+dim\r\n:2\r\n",
    )
    .unwrap();
    assert_eq!(field.settings.get("dim"), Some(&Value::Integer(2)));
}

#[test]
fn whether_documents_are_being_indexed_is_a_number_of_any_form() {
    #[derive(FromRedis)]
    struct Part {
        #[redis(with = "switch")]
        indexing: bool,
    }
    for (number, expected) in [("$1\r\n0\r\n", false), (",1\r\n", true), (":1\r\n", true)] {
        let part: Part = decode(&format!("*2\r\n+indexing\r\n{number}")).unwrap();
        assert_eq!(part.indexing, expected, "{number}");
    }
}

-- Searching by name. A key is the name as people type it: no case, no accents, no blanks, hyphens or
-- apostrophes; "O'Brien", "OBRIEN" and "o brien" are one. Accents are taken off by decomposition; letters that
-- have none are spelled out. Everything else, '%' and '_' too, stays what it is. Immutable, so that indexes
-- can hold it, and without extensions, which an owner of a schema may not be allowed to create.
CREATE FUNCTION {schema}.search_key(name text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN octet_length(name) = length(name)
    THEN lower(translate(name, E' -.,''"`\t', ''))
    ELSE translate(replace(replace(replace(
        lower(regexp_replace(normalize(name, NFD),
            E'[- .,''"`\\s\u0300-\u036f\u2010-\u2015\u2018-\u201f\u00b4\u02b9-\u02bc]', '', 'g')),
        'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe'),
        'øØłŁđĐðÐþÞÆŒı', 'oollddddttaoi')
END;

-- The current students by last name, then first name, and by first name. Bytes compare fast, and prefixes
-- are ranges of them. Promotion pays for every column here; the order within a first name is sorted when asked for.
CREATE INDEX dim_student_last_name ON {schema}.dim_student
    (({schema}.search_key(last_name)) COLLATE "C", ({schema}.search_key(first_name)) COLLATE "C") WHERE rec_status = 'C';
CREATE INDEX dim_student_first_name ON {schema}.dim_student
    (({schema}.search_key(first_name)) COLLATE "C") WHERE rec_status = 'C';

# states.tsv to a C table, sorted by topic and state:
#     awk -f states.awk states.tsv > catalog_rows.c
# Columns: topic_type topic_name sent_to_fsp state_id description class.
BEGIN { FS = "\t"; rows = 0; faults = 0 }

function quote(text) {
	gsub(/\\/, "\\\\&", text)
	gsub(/"/, "\\\\&", text)
	return "\"" text "\""
}

NR == 1 { next }

NF != 6 || $1 !~ /^[0-9]+$/ || $4 !~ /^[0-9]*$/ || $6 == "" {
	print FILENAME ":" NR ": not a row of six columns" > "/dev/stderr"
	faults++
	next
}

{
	topic = $1 + 0
	state = $4 == "" ? -1 : $4 + 0
	row = "        { " topic ", " quote($2) ", " state ", " quote($5) ", " quote($6) " },"
	for (at = rows; at > 0 && (topics[at] > topic || (topics[at] == topic && states[at] > state)); at--) {
		topics[at + 1] = topics[at]
		states[at + 1] = states[at]
		lines[at + 1] = lines[at]
	}
	topics[at + 1] = topic
	states[at + 1] = state
	lines[at + 1] = row
	rows++
}

END {
	if (faults > 0 || rows == 0)
		exit 1
	print "/* Made by states.awk; do not edit. */"
	print "#include \"message/catalog_table.h\""
	print ""
	print "const struct catalog_state catalog_table[] = {"
	for (i = 1; i <= rows; i++)
		print lines[i]
	print "};"
	print "const size_t catalog_table_count = sizeof catalog_table / sizeof catalog_table[0];"
}

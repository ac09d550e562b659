# errors.tsv to a C table, sorted by code:
#     awk -f errors.awk errors.tsv > errors_rows.c
# Columns: decimal hex name text source; decimal and hex are the same 32 bits.
BEGIN { FS = "\t"; rows = 0; last = 0; faults = 0 }

function quote(text) {
	gsub(/\\/, "\\\\&", text)
	gsub(/"/, "\\\\&", text)
	return "\"" text "\""
}

function hex(text, i, value) {
	value = 0
	for (i = 3; i <= length(text); i++)
		value = value * 16 + index("0123456789ABCDEF", substr(text, i, 1)) - 1
	return value
}

NR == 1 { next }

NF != 5 || $1 !~ /^-?[1-9][0-9]*$/ || $2 !~ /^0x[0-9A-F]+$/ || length($2) != 10 || $4 == "" || $5 == "" {
	print FILENAME ":" NR ": not a row of five columns" > "/dev/stderr"
	faults++
	next
}

{
	code = hex($2)
	if (code != ($1 < 0 ? $1 + 4294967296 : $1 + 0) || code <= last) {
		print FILENAME ":" NR ": decimal and hex differ, or not in order of hex" > "/dev/stderr"
		faults++
	}
	last = code
	lines[++rows] = "        { " $2 ", " quote($3) ", " quote($4) ", " quote($5) " },"
}

END {
	if (faults > 0 || rows == 0)
		exit 1
	print "/* Made by errors.awk; do not edit. */"
	print "#include \"message/errors_table.h\""
	print ""
	print "const struct errors_row errors_table[] = {"
	for (i = 1; i <= rows; i++)
		print lines[i]
	print "};"
	print "const size_t errors_table_count = sizeof errors_table / sizeof errors_table[0];"
}

// Package canary searches everything at rest for given values, in the ways in
// which a value is usually written: whoever does not believe that no personal
// value lies somewhere in clear can look.
//
// # Model
//
// Values are compiled once into hash tables over a few bytes of each. Every
// byte of every file is compared with them as it is (upper and lower case
// count as the same; composed and decomposed Unicode, UTF-8, UTF-16 of both
// orders, Windows-1252 and so ISO-8859-1), and after each of these was undone, up to three of them in a row:
//
//	hex               digits of either case, at both parities
//	Base64            standard and URL alphabet, at all four alignments, lines wrapped or not
//	URL, JSON, HTML   %41, \u0041 and \x41, &#65; and &amp;
//	quoted-printable  =41, lines broken or not
//	gzip, zip, zstd, zlib   from wherever such a stream begins, to its end
//
// When that is asked for, hashes of the values are looked for in the same way:
// whoever has a list of addresses finds out by it which of them a hash is of.
//
// Some files are read by their structure besides: the records of SQLite
// databases and their write-ahead logs, page by page and whether in use or
// not, and the keys and values of Pebble's tables, whose blocks are
// compressed. No database engine is asked, no lock is taken, nothing is
// written: the ledger may go on meanwhile, and its keys are not needed.
//
// # Limits
//
// Two characters of Chinese, say, are six bytes in UTF-8 and four in UTF-16,
// which occur by chance: in that they are looked for only with short values.
// Not undone are bzip2, xz, brotli, raw deflate without a header, UTF-32, UTF-7,
// punycode, hex with colons or spaces between, and other ways to write the same
// name or number: two spaces for one, the national form of a telephone number.
// What is encrypted is not found: that is what the search is to show. A value
// under a keyed hash is not found either, nor one that was hashed together with
// something else. Of a SQLite database that lies
// inside a compressed file only whole pages are searched; a stream that is
// compressed twice is searched in its first mebibyte. Binary numbers are found
// in SQLite's columns only. A running ledger moves bytes while it is read:
// files that changed are read again, a few times.
//
// Whoever reads a file and closes it drops the POSIX locks that the same
// process holds on it. So a ledger is searched by another process than the
// one that has it open, unless that one is alone, as in a test.
//
// Memory is bounded by the number of values (about 150 bytes each, twice that with hashes), of
// processors, and of pages of the largest database, not by what is read.
//
// A value is never part of a result: findings name its line.
package canary

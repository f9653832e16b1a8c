// Package archtest holds the project's shape as tables in tests: who may
// import whom, who may open personal values, where time and randomness come
// in, and what the folders are called. It has no code of its own.
//
// A failing row is a question to answer, not a nuisance to silence: change the
// table only together with the reason beside it.
package archtest

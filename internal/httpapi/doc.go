// Package httpapi is the ledger over HTTP: commands in, answers out.
//
// Handlers decide nothing. A write becomes a command for the ledger; a
// reading of personal data goes through the door, which records the access
// before it opens anything; lists come from views. The document at
// /openapi.json is generated from the same declarations that serve requests.
//
// What a caller sends never comes back in an error, a log line or a metric:
// errors name the member and the rule, logs name the route, and path and
// query are written nowhere. Every refusal is a problem document (RFC 9457).
//
// The API is versioned by its path. Within /v1 members are only added.
package httpapi

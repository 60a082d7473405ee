// Package iam is AWS Identity and Access Management of a realm: users, groups,
// roles, access keys and policies. Its rows are the realm's, so that every
// region has them and answers from its own copy; writing waits for home.
//
// Directory is the read side. It tells who holds an access key and what binds a
// caller, with every request, and answers from memory until a row changes that
// the answer came from. Service is the table of operations.
package iam

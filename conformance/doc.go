// Package conformance holds no code. Its tests build farhold, start a realm,
// and let the clients that people use drive it, unmodified: the AWS CLI, boto3,
// rclone, restic. A client that is not on the machine is skipped by name, unless
// FARHOLD_CONFORMANCE is "required" or "full": then its absence is a failure.
// "full" also runs what takes long.
package conformance

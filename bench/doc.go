// Package bench measures S3 endpoints: rates, latencies and the processor time
// that an operation costs the server and the measuring client itself.
//
// The client shares the machine with what it measures, so it is built to be
// cheap: each of the closed-loop clients owns one connection, signs with a
// cached key into reused buffers, parses responses by hand and allocates
// nothing per request. net/http is used for the trivial handler only, which
// serves as the ceiling that ratios are computed against.
//
// What is reported is meant to be true rather than flattering:
//   - a latency runs from before the signature to the last byte of the answer;
//   - an operation that began in the measured window counts, and the window
//     ends when the last such operation has ended;
//   - errors are counted by code and never as operations;
//   - every report says what the machine is and how busy others kept it.
//
// The loops are closed: a client sends its next request when the last one was
// answered, so a stall shows as a few slow operations and a lower rate.
package bench

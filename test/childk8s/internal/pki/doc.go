// Package pki makes the certificates of one child cluster with crypto/x509 alone, so that a child starts
// on a machine that has no openssl.
//
// Ensure is the whole interface: it fills a directory with what a control plane needs and keeps what is
// already there and still good, so that a restarted child is the same cluster to everyone who knew it.
//
// Invariants:
//
//	P1: a kept leaf certificate is signed by the kept authority, covers what is asked for, and lives for
//	    at least renewBefore; otherwise it is made anew.
//	P2: an authority and the service account key are never replaced once they exist: replacing them would
//	    lock out every client and void every token. Damaged ones are an error.
//	P3: private keys are readable by their owner only.
package pki

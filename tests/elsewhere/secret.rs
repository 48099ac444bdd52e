//! Secrets of Parameter Store and Secrets Manager.

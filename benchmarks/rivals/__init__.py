"""The programs that Tillgate is measured against, each with the guarantees that its law names."""

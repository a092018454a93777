       ID DIVISION.
       PROGRAM-ID. BEADS.
       DATA DIVISION.
       WORKING-STORAGE SECTION.
       01 N PIC 9(3).
       01 R PIC Z(5)9.
       PROCEDURE DIVISION.
           ACCEPT N.
           COMPUTE R = N * 15.
           DISPLAY R.
           GOBACK.

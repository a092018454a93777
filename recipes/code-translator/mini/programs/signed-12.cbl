       ID DIVISION.
       PROGRAM-ID. STAMPS.
       DATA DIVISION.
       WORKING-STORAGE SECTION.
       01 N PIC 9(3).
       01 R PIC -(5)9.
       PROCEDURE DIVISION.
           ACCEPT N.
           COMPUTE R = N - 12.
           DISPLAY R.
           GOBACK.
